//! A compressed file, unpacked as it is read: a little at a time, so that a file that unpacks to a thousand times its
//! size is noticed before it is in memory.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use mailbox_register::batch::life::FailureCode;

/// Compressed bytes unpacked at a time. What gzip makes of them at the worst is a MiB.
const STEP: usize = 1024;
/// A list of persons is compressed to a quarter, at the best to a tenth.
const MOST_RATIO: u64 = 100;
/// So little is unpacked whatever the ratio: ten equal rows are no bomb.
const ANY_RATIO: u64 = 1024 * 1024;

/// Bytes as they come, compressed or not.
pub(crate) struct Unpacking {
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    most: u64,
    packed: u64,
    unpacked: u64,
    begun: bool,
}

impl Unpacking {
    /// Unpacks at most `most` bytes; passes on what is not compressed.
    pub(crate) fn new(is_compressed: bool, most: u64) -> Self {
        Self {
            decoder: is_compressed.then(|| MultiGzDecoder::new(Vec::new())),
            most,
            packed: 0,
            unpacked: 0,
            begun: false,
        }
    }

    /// How large a step of [`Unpacking::push`] is at the most.
    pub(crate) fn step(&self) -> usize {
        if self.decoder.is_some() { STEP } else { usize::MAX }
    }

    /// The plain bytes that the next `bytes` come to, at most a step of them, into `plain`.
    pub(crate) fn push(&mut self, bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), FailureCode> {
        plain.clear();
        self.packed += bytes.len() as u64;
        if let Some(decoder) = &mut self.decoder {
            if !self.begun && !bytes.is_empty() {
                self.begun = true;
                // The second byte of the magic number may be yet to come.
                if bytes[0] != 0x1f || bytes.get(1).is_some_and(|byte| *byte != 0x8b) {
                    return Err(FailureCode::NotGzip);
                }
            }
            decoder.write_all(bytes).map_err(|_| FailureCode::BrokenGzip)?;
            std::mem::swap(decoder.get_mut(), plain);
        } else {
            plain.extend_from_slice(bytes);
        }
        self.counted(plain.len())
    }

    /// What is left at the end.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, FailureCode> {
        let Some(decoder) = self.decoder.take() else {
            return Ok(Vec::new());
        };
        if !self.begun {
            return Err(FailureCode::NotGzip);
        }
        let rest = decoder.finish().map_err(|_| FailureCode::BrokenGzip)?;
        self.counted(rest.len())?;
        Ok(rest)
    }

    fn counted(&mut self, more: usize) -> Result<(), FailureCode> {
        self.unpacked += more as u64;
        if self.unpacked > self.most {
            return Err(FailureCode::TooLarge);
        }
        // What is not compressed is as long as it is.
        let is_bomb = self.unpacked > ANY_RATIO && self.unpacked / MOST_RATIO > self.packed;
        if is_bomb {
            Err(FailureCode::CompressedTooWell)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: &[u8], most: u64) -> Result<Vec<u8>, FailureCode> {
        let mut unpacking = Unpacking::new(true, most);
        let (mut all, mut plain) = (Vec::new(), Vec::new());
        for step in bytes.chunks(unpacking.step()) {
            unpacking.push(step, &mut plain)?;
            assert!(plain.len() <= 2 * 1024 * 1024, "memory stays flat");
            all.extend_from_slice(&plain);
        }
        all.extend(unpacking.finish()?);
        Ok(all)
    }

    #[test]
    fn a_file_in_one_part_or_several_is_unpacked() {
        let rows = (0..50_000).fold(String::new(), |rows, row| rows + &format!("{row}\n"));
        assert_eq!(unpack(&packed(rows.as_bytes()), 1 << 20).unwrap(), rows.as_bytes());
        let two = [packed(b"person\n"), packed(b"x\n")].concat();
        assert_eq!(unpack(&two, 100).unwrap(), b"person\nx\n");
    }

    #[test]
    fn a_bomb_is_stopped_early() {
        let bomb = packed(&vec![b'0'; 200 << 20]);
        assert_eq!(unpack(&bomb, 1 << 40), Err(FailureCode::CompressedTooWell));
        assert_eq!(unpack(&packed(&[b'0'; 2000]), 1000), Err(FailureCode::TooLarge));
        // So little that it comes at the end alone.
        assert_eq!(
            unpack(&packed(b"person\n20914695016\n"), 18),
            Err(FailureCode::TooLarge)
        );
    }

    #[test]
    fn what_is_no_whole_gzip_is_refused() {
        for other in [&b"PK\x03\x04zip"[..], b"person\n", b"", b"\x1f"] {
            assert!(unpack(other, 100).is_err());
        }
        assert_eq!(unpack(b"PK\x03\x04", 100), Err(FailureCode::NotGzip));
        let whole = packed(b"person\n20914695016\n");
        assert_eq!(unpack(&whole[..whole.len() - 4], 100), Err(FailureCode::BrokenGzip));
        let mut damaged = whole;
        let last = damaged.len() - 5;
        damaged[last] ^= 1;
        assert_eq!(unpack(&damaged, 100), Err(FailureCode::BrokenGzip));
    }
}
