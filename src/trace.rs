//! Which request something follows from, as X-Ray names it: kept with what waits, so that a message can be followed
//! back to whoever asked for it, days later too.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::person::PersonIdentifier;

/// The message attribute that carries a trace through a queue.
pub const ATTRIBUTE: &str = "trace";

/// Digits of an identity number.
const DIGITS: usize = 11;

/// A trace header, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
///
/// It comes from outside, and a caller can choose it. So it holds numbers and no text: what is not well formed is no
/// trace, what else stood in a header is gone, and a trace that was made of an identity number is none either. (One of three
/// thousand looks like that by chance, and is not followed.)
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    id: TraceId,
    parent: Option<u64>,
    sampled: Option<bool>,
}

/// A trace's identity, as logs and X-Ray have it: `1-5759e988-bd862e3fe1be46a994272793`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId {
    /// When it began, in seconds since 1970.
    began: u32,
    /// 96 bits.
    unique: u128,
}

impl Trace {
    /// The trace that a header names; none if it names none.
    pub fn parse(header: &str) -> Option<Self> {
        let (mut id, mut parent, mut sampled) = (None, None, None);
        for field in header.split(';') {
            match field.trim_matches(' ').split_once('=') {
                // Two are none: whoever reads the header next might take the other.
                Some(("Root", _)) if id.is_some() => return None,
                Some(("Root", text)) => id = Some(TraceId::parse(text)?),
                Some(("Parent", text)) => parent = hex(text, 16).and_then(|parent| u64::try_from(parent).ok()),
                Some(("Sampled", "1")) => sampled = Some(true),
                Some(("Sampled", "0")) => sampled = Some(false),
                _ => {}
            }
        }
        let trace = Self {
            id: id?,
            parent,
            sampled,
        };
        (!names_a_person(&trace.to_string())).then_some(trace)
    }

    /// What is searched for.
    pub const fn id(&self) -> TraceId {
        self.id
    }
}

impl TraceId {
    fn parse(text: &str) -> Option<Self> {
        let (began, unique) = text.strip_prefix("1-")?.split_once('-')?;
        Some(Self {
            began: u32::try_from(hex(began, 8)?).ok()?,
            unique: hex(unique, 24)?,
        })
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1-{:08x}-{:024x}", self.began, self.unique)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The header.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={}", self.id)?;
        if let Some(parent) = self.parent {
            write!(f, ";Parent={parent:016x}")?;
        }
        if let Some(sampled) = self.sampled {
            write!(f, ";Sampled={}", u8::from(sampled))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads a trace that was stored. One that cannot be read is none: it keeps no message back.
///
/// # Errors
/// Those of the deserializer.
pub fn stored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Trace>, D::Error> {
    let header = Option::<String>::deserialize(deserializer)?;
    Ok(header.as_deref().and_then(Trace::parse))
}

/// A number of so many hexadecimal digits, no more and no fewer.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// Whether an identity number stands in it, as somebody would write it who makes traces of them: filled up with zeros, or
/// between letters.
fn names_a_person(header: &str) -> bool {
    let is_person = |digits: &str| PersonIdentifier::try_from(digits.to_owned()).is_ok();
    let is_nothing = |digits: &str| digits.bytes().all(|byte| byte == b'0');
    let runs = header.split(|c: char| !c.is_ascii_digit());
    runs.filter(|run| run.len() >= DIGITS).any(|run| {
        let (first, after) = run.split_at(DIGITS);
        let (before, last) = run.split_at(run.len() - DIGITS);
        is_person(first) && is_nothing(after) || is_nothing(before) && is_person(last)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn a_trace_is_the_same_after_it_was_written() {
        for header in [
            HEADER,
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
            "Root=1-00000000-00000000000000000000000a;Parent=0000000000000001",
        ] {
            assert_eq!(Trace::parse(header).unwrap().to_string(), header);
        }
        let trace = Trace::parse(HEADER).unwrap();
        assert_eq!(trace.id().to_string(), "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!(serde_json::to_value(trace).unwrap(), HEADER);
    }

    #[test]
    fn of_a_header_nothing_is_kept_but_the_trace() {
        let trace = Trace::parse(HEADER);
        for header in [
            "Sampled=1; Parent=53995c3f42cd8ad8; Root=1-5759E988-BD862E3FE1BE46A994272793",
            "Self=1-1-x;Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a:0;Name=Ola",
        ] {
            assert_eq!(Trace::parse(header), trace, "{header}");
        }
        // Whether it was sampled may not be decided yet; where in the trace it was may be nonsense.
        let bare = Trace::parse("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=ola@example.no;Sampled=?");
        assert_eq!(bare.unwrap().to_string(), "Root=1-5759e988-bd862e3fe1be46a994272793");
    }

    #[test]
    fn what_is_no_trace_is_none() {
        for header in [
            "",
            "Root=",
            "Parent=53995c3f42cd8ad8;Sampled=1",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-5759e988-bd862e3fe1be46a9942727930",
            "Root=1-+759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279g",
            "Root=1-5759e988-ola@example.no,etcetera0",
            "Root=1-5759e988-bd862e3fe1be46a994272793\n",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Root=1-5759e988-bd862e3fe1be46a994272794",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
        ] {
            assert_eq!(Trace::parse(header), None, "{header:?}");
        }
    }

    #[test]
    fn nobodys_identity_number_travels_as_a_trace() {
        for header in [
            "Root=1-5759e988-a20914695016e3fe1be46a99",
            "Root=1-5759e988-000000000000020914695016",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=abcde20914695016",
        ] {
            assert_eq!(Trace::parse(header), None, "{header}");
        }
    }

    #[test]
    fn a_stored_trace_that_cannot_be_read_is_none() {
        let read = |json: serde_json::Value| stored(json);
        assert_eq!(read(HEADER.into()).unwrap(), Trace::parse(HEADER));
        assert_eq!(read("nonsense".into()).unwrap(), None);
        assert_eq!(read(serde_json::Value::Null).unwrap(), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_a_trace_is_numbers(header in "(Root=1-[0-9a-f]{8}-[0-9a-f]{24};)?.{0,80}") {
            if let Some(trace) = Trace::parse(&header) {
                let text = trace.to_string();
                let rest = text.replace("Root=1-", "").replace(";Parent=", "").replace(";Sampled=", "");
                prop_assert!(rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
                prop_assert!(text.len() <= HEADER.len());
                prop_assert_eq!(Trace::parse(&text), Some(trace));
            }
        }
    }
}
