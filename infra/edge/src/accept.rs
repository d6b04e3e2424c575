//! What a caller can read (`Accept`, RFC 9110, section 12.5.1).

use std::cmp::Reverse;

use axum::http::{HeaderMap, header};

/// How much a caller wants a media type; greater is better.
///
/// First the weight, then how exactly it is named, then which comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish {
    /// In thousandths.
    weight: u16,
    exactness: u8,
    place: Reverse<usize>,
}

/// How much the caller wants `media`; none: not at all. Without `Accept` everybody takes anything.
pub fn wish(headers: &HeaderMap, media: &str) -> Option<Wish> {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return Some(Wish {
            weight: 1000,
            exactness: 0,
            place: Reverse(0),
        });
    }
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .enumerate()
        .filter_map(|(place, range)| of_range(range, media, place))
        // The most exact range decides, whatever its weight.
        .max_by_key(|wish| (wish.exactness, wish.place))
        .filter(|wish| wish.weight > 0)
}

fn of_range(range: &str, media: &str, place: usize) -> Option<Wish> {
    let mut parts = range.split(';').map(str::trim);
    let named = parts.next().unwrap_or_default().to_ascii_lowercase();
    let group = media.split('/').next().unwrap_or_default();
    let exactness = if named == media {
        2
    } else if named.strip_suffix("/*").is_some_and(|named| named == group) {
        1
    } else if named == "*/*" {
        0
    } else {
        return None;
    };
    // A weight that is none is taken as if it were not there.
    let weight = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .and_then(|(_, weight)| thousandths(weight.trim()))
        .unwrap_or(1000);
    Some(Wish {
        weight,
        exactness,
        place: Reverse(place),
    })
}

/// `0` to `1` with at most three decimals.
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths = match whole {
        "0" if digits => format!("{decimals:0<3}").parse().ok()?,
        "1" if digits => 1000,
        _ => return None,
    };
    Some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";
    const JOSE: &str = "application/jose";

    fn wishes(accept: &str) -> [Option<Wish>; 2] {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        [wish(&headers, JSON), wish(&headers, JOSE)]
    }

    #[test]
    fn the_most_exact_range_decides_and_a_weight_of_nothing_is_a_no() {
        for (accept, json, jose) in [
            ("*/*", true, true),
            ("application/*", true, true),
            ("application/JOSE; charset=utf-8", false, true),
            ("application/json;q=0, */*", false, true),
            ("*/*;q=0.0", false, false),
            ("application/jose;Q=0.000, application/*;q=0.1", true, false),
            ("text/html", false, false),
            ("", false, false),
        ] {
            assert_eq!(wishes(accept).map(|wish| wish.is_some()), [json, jose], "{accept}");
        }
    }

    #[test]
    fn weight_then_exactness_then_place_make_a_wish_greater() {
        for (accept, jose_wins) in [
            ("application/jose, application/json", true),
            ("application/json, application/jose", false),
            ("application/json;q=0.9, application/jose", true),
            ("application/jose;q=0.5, application/json;q=0.51", false),
            ("application/jose, */*", true),
            ("application/jose;q=0.5, */*", false),
            ("*/*", false),
        ] {
            let [json, jose] = wishes(accept);
            assert_eq!(jose > json, jose_wins, "{accept}");
        }
    }
}
