//! Whether a chain is whole.

use std::fmt;

use super::{Chain, Hash, Head, Record};

/// What is wrong with a chain. Records go by their number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// These are not there, though later ones are.
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// These are not there, and none after them: the head says that there were so many.
    CutOff {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// It is not what the next one, or the head, says that it was; or it cannot be read.
    Changed(u64),
    /// There are several of this number.
    Doubled(u64),
    /// The head does not know of it.
    BeyondHead(u64),
    /// The head is gone: nobody knows how many there were.
    NoHead,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = |from: &u64, to: &u64| {
            if from == to {
                format!("record {from}")
            } else {
                format!("records {from} to {to}")
            }
        };
        match self {
            Self::Missing { from, to } => write!(f, "{} missing", records(from, to)),
            Self::CutOff { from, to } => write!(f, "{} missing at the end", records(from, to)),
            Self::Changed(number) => write!(f, "record {number} changed"),
            Self::Doubled(number) => write!(f, "record {number} there more than once"),
            Self::BeyondHead(number) => write!(f, "record {number} unknown to the head"),
            Self::NoHead => f.write_str("head missing"),
        }
    }
}

/// A chain's records are shown to it one after the other, and it says what is wrong. It remembers one hash, whatever the
/// chain's length.
#[derive(Debug)]
pub struct Check {
    chain: Chain,
    /// The last number seen.
    last: u64,
    /// What the next record says of the one before it; none where that one could not be read, or is missing.
    expected: Option<Hash>,
    faults: Vec<Fault>,
    /// Numbers after the last that the head knew when it was read.
    beyond: Vec<u64>,
    head: Option<Head>,
}

impl Check {
    /// The check of a chain whose head was read before its records.
    pub fn new(chain: Chain, head: Option<Head>) -> Self {
        Self {
            chain,
            last: 0,
            expected: Some(Hash::before(chain)),
            faults: Vec::new(),
            beyond: Vec::new(),
            head,
        }
    }

    /// The record of a number, none if it cannot be read. They come in the order of their numbers.
    pub fn see(&mut self, number: u64, record: Option<&Record>) {
        if number <= self.last {
            self.fault(Fault::Doubled(number));
            // Which of them the next one follows cannot be told.
            self.expected = None;
            return;
        }
        if number > self.last + 1 {
            self.fault(Fault::Missing {
                from: self.last + 1,
                to: number - 1,
            });
            self.expected = None;
        }
        let record = record.filter(|record| self.belongs(number, record));
        match (record, self.expected.take()) {
            (Some(record), Some(expected)) if record.previous != expected => {
                // The first has nobody before it: then it is wrong itself.
                self.fault(Fault::Changed(self.last.max(1)));
            }
            (None, _) => self.fault(Fault::Changed(number)),
            _ => {}
        }
        self.last = number;
        self.expected = record.and_then(|record| record.hash().ok());
        if let Some(head) = &self.head {
            if number == head.count {
                if self.expected.as_ref().is_some_and(|hash| *hash != head.hash) {
                    self.fault(Fault::Changed(number));
                }
            } else if number > head.count {
                self.beyond.push(number);
            }
        }
    }

    /// What was wrong, once all records were seen. `head` is the head as it is after that: what was added meanwhile is
    /// nobody's fault.
    pub fn end(mut self, head: Option<&Head>) -> Vec<Fault> {
        match (&self.head, head) {
            (Some(before), Some(after)) => {
                let (known, count) = (after.count, before.count);
                for number in std::mem::take(&mut self.beyond) {
                    if number > known {
                        self.fault(Fault::BeyondHead(number));
                    }
                }
                if self.last < count {
                    self.fault(Fault::CutOff {
                        from: self.last + 1,
                        to: count,
                    });
                }
            }
            (_, None) if self.last > 0 || self.head.is_some() => self.fault(Fault::NoHead),
            // There is none, or it began meanwhile.
            (None, Some(_)) | (_, None) => {}
        }
        self.faults
    }

    /// How many records were seen.
    pub const fn seen(&self) -> u64 {
        self.last
    }

    /// Whether the record is of this place, of this organisation and of this day.
    fn belongs(&self, number: u64, record: &Record) -> bool {
        record.number == number
            && record.chain == self.chain
            && Chain::of(record.organisation, record.at, self.chain.lane) == self.chain
    }

    fn fault(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{
        disclosure::{Lane, Unlinked},
        person::PersonKey,
    };

    /// A chain of so many records, and its head.
    fn chain(records: u64) -> (Vec<Record>, Head) {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let chain = Chain::of("991825827".parse().unwrap(), noon, Lane::of(3));
        let mut head = Head::start(chain, 36);
        let records = (0..records)
            .map(|number| {
                let persons: Vec<_> = (0..=number % 3)
                    .map(|person| PersonKey::from_stored(format!("v1#{person}")))
                    .collect();
                let told = Unlinked {
                    request: Uuid::from_u64_pair(7, number),
                    supplier: None,
                    at: noon
                        .checked_add(SignedDuration::from_secs(number.cast_signed()))
                        .unwrap(),
                    purpose: "Decision on a building permit",
                    reference: number.is_multiple_of(2).then_some("case-1"),
                    fields: &["contact"],
                    persons: &persons,
                };
                let (record, next) = head.append(&told).unwrap();
                head = next;
                record
            })
            .collect();
        (records, head)
    }

    /// What is found of records as a table has them: in the order of what the index says are their numbers.
    fn check(records: &[Record], head: Option<&Head>, name: Chain) -> Vec<Fault> {
        let mut check = Check::new(name, head.cloned());
        let mut records: Vec<_> = records.iter().collect();
        records.sort_by_key(|record| record.number);
        for record in records {
            check.see(record.number, Some(record));
        }
        check.end(head)
    }

    #[test]
    fn a_chain_of_none_or_some_is_whole() {
        for records in 0..5 {
            let (records, head) = chain(records);
            assert_eq!(check(&records, Some(&head), head.chain), []);
        }
        let (_, head) = chain(0);
        assert_eq!(check(&[], None, head.chain), []);
    }

    #[test]
    fn each_fault_is_named() {
        let (records, head) = chain(5);
        let without = |gone: &[u64]| -> Vec<Record> {
            let kept = records.iter().filter(|record| !gone.contains(&record.number));
            kept.cloned().collect()
        };
        let find = |records: &[Record]| check(records, Some(&head), head.chain);
        assert_eq!(find(&without(&[2])), [Fault::Missing { from: 2, to: 2 }]);
        assert_eq!(
            find(&without(&[1, 2, 4])),
            [Fault::Missing { from: 1, to: 2 }, Fault::Missing { from: 4, to: 4 }]
        );
        assert_eq!(find(&without(&[4, 5])), [Fault::CutOff { from: 4, to: 5 }]);
        assert_eq!(find(&[]), [Fault::CutOff { from: 1, to: 5 }]);
        for changed in 1..=5 {
            let mut records = records.clone();
            records[changed - 1].purpose = "Curiosity".to_owned();
            assert_eq!(find(&records), [Fault::Changed(changed as u64)]);
        }
        let mut doubled = records.clone();
        doubled.push(Record {
            request: Uuid::nil(),
            ..records[2].clone()
        });
        assert_eq!(find(&doubled), [Fault::Doubled(3)]);
        assert_eq!(check(&records, None, head.chain), [Fault::NoHead]);
        let mut unread = Check::new(head.chain, Some(head.clone()));
        for record in &records {
            unread.see(record.number, (record.number != 4).then_some(record));
        }
        assert_eq!(unread.end(Some(&head)), [Fault::Changed(4)]);
    }

    #[test]
    fn what_is_added_while_it_is_looked_at_is_no_fault_and_what_no_head_knows_is() {
        let (records, now) = chain(5);
        let (_, then) = chain(3);
        let see = |head: Option<&Head>, after: Option<&Head>| {
            let mut check = Check::new(now.chain, head.cloned());
            for record in &records {
                check.see(record.number, Some(record));
            }
            check.end(after)
        };
        assert_eq!(see(Some(&then), Some(&now)), []);
        assert_eq!(see(None, Some(&now)), []);
        assert_eq!(
            see(Some(&then), Some(&then)),
            [Fault::BeyondHead(4), Fault::BeyondHead(5)]
        );
    }

    proptest! {
        #[test]
        fn whatever_is_done_to_a_chain_shows(
            length in 1_u64..12,
            at in any::<proptest::sample::Index>(),
            other in any::<proptest::sample::Index>(),
            what in 0_u8..9,
        ) {
            let (mut records, head) = chain(length);
            let (at, other) = (at.index(records.len()), other.index(records.len()));
            let before = records.clone();
            match what {
                0 => drop(records.remove(at)),
                1 => records.truncate(at),
                2 => records[at].persons.push(PersonKey::from_stored("v1#x")),
                3 => drop(records[at].persons.pop()),
                4 => records[at].purpose.push('.'),
                5 => records[at].organisation = "974760673".parse().unwrap(),
                6 => records[at].at = records[at].at.checked_add(SignedDuration::from_nanos(1)).unwrap(),
                7 => {
                    let number = records[other].number;
                    records[at].number = number;
                }
                _ => {
                    // The two change places, each with the other's links.
                    let (one, two) = (records[at].clone(), records[other].clone());
                    records[at] = Record { number: one.number, previous: one.previous.clone(), ..two.clone() };
                    records[other] = Record { number: two.number, previous: two.previous, ..one };
                }
            }
            let faults = check(&records, Some(&head), head.chain);
            prop_assert_eq!(faults.is_empty(), records == before, "{:?}", faults);
        }
    }
}
