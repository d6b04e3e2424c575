//! Which page of a list is asked for: from where on, and how much of it.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::problem::{Kind, Problem};

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident($place:ident);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name<P, const USUAL: u16, const MOST: u16> {
            /// Where the page begins; none: with the first.
            pub $place: Option<P>,
            /// How much of it: 1 to `MOST`, `USUAL` if nothing was said.
            pub limit: u16,
        }

        impl<S: Sync, P: DeserializeOwned, const USUAL: u16, const MOST: u16> FromRequestParts<S>
            for $name<P, USUAL, MOST>
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Asked<P> {
                    $place: Option<P>,
                    limit: Option<u16>,
                }

                let asked = Query::<Asked<P>>::try_from_uri(&parts.uri);
                let Query(Asked { $place, limit }) = asked.map_err(|_| Kind::InvalidParameter)?;
                let limit = limit.unwrap_or(USUAL);
                if !(1..=MOST).contains(&limit) {
                    return Err(Kind::InvalidParameter.into());
                }
                Ok(Self { $place, limit })
            }
        }
    )*};
}

pages! {
    /// Newest first: `?before=` is the `next` of the page before.
    Before(before);
    /// Oldest first: `?after=` is what was read last.
    After(after);
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn read(query: &str) -> Result<Before<u64, 50, 100>, Kind> {
        let request = Request::builder().uri(format!("/v1/me/history{query}"));
        let mut parts = request.body(()).unwrap().into_parts().0;
        let page = Before::from_request_parts(&mut parts, &()).await;
        page.map_err(|problem| problem.kind())
    }

    #[tokio::test]
    async fn a_page_is_what_was_asked_for_or_the_first() {
        let first = Before {
            before: None,
            limit: 50,
        };
        assert_eq!(read("").await, Ok(first));
        let asked = Before {
            before: Some(7),
            limit: 100,
        };
        assert_eq!(read("?before=7&limit=100").await, Ok(asked));
        for query in [
            "?limit=0",
            "?limit=101",
            "?limit=65537",
            "?limit=-1",
            "?limit=ten",
            "?before=x",
            "?before=-1",
            "?after=7",
            "?limit=1&limit=2",
        ] {
            assert_eq!(read(query).await, Err(Kind::InvalidParameter), "{query}");
        }
    }
}
