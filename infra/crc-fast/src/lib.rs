//! The three checksums that S3 knows, by as much of crc-fast's interface as S3's client calls.
//!
//! crc-fast knows fifty and has tables of each, 680 kB that no compression makes smaller, in every function that uses S3
//! (<https://github.com/awesomized/crc-fast-rust/issues/61>). Once it can do without those that nobody names, this can go.

use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc, Table};

static CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);

/// Which checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// CRC-32C, of iSCSI.
    Crc32Iscsi,
    /// CRC-32, of Ethernet and zip.
    Crc32IsoHdlc,
    /// CRC-64, of NVM Express.
    Crc64Nvme,
}

/// A checksum of what has been seen so far.
#[derive(Clone)]
pub struct Digest(State);

#[derive(Clone)]
enum State {
    Crc32(crc::Digest<'static, u32, Table<16>>),
    Crc64(crc::Digest<'static, u64, Table<16>>),
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Digest").field(&self.finalize()).finish()
    }
}

impl Digest {
    /// Of nothing yet.
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        Self(match algorithm {
            CrcAlgorithm::Crc32Iscsi => State::Crc32(CRC32C.digest()),
            CrcAlgorithm::Crc32IsoHdlc => State::Crc32(CRC32.digest()),
            CrcAlgorithm::Crc64Nvme => State::Crc64(CRC64.digest()),
        })
    }

    /// Sees more.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Crc32(digest) => digest.update(bytes),
            State::Crc64(digest) => digest.update(bytes),
        }
    }

    /// The checksum, in the lower half if it has 32 bits.
    pub fn finalize(&self) -> u64 {
        match &self.0 {
            State::Crc32(digest) => digest.clone().finalize().into(),
            State::Crc64(digest) => digest.clone().finalize(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://reveng.sourceforge.io/crc-catalogue/all.htm>: the checksum of `123456789`.
    #[test]
    fn checksums_are_those_of_the_catalogue() {
        for (algorithm, checksum) in [
            (CrcAlgorithm::Crc32IsoHdlc, 0xcbf4_3926),
            (CrcAlgorithm::Crc32Iscsi, 0xe306_9283),
            (CrcAlgorithm::Crc64Nvme, 0xae8b_1486_0a79_9888),
        ] {
            let mut digest = Digest::new(algorithm);
            digest.update(b"1234");
            digest.update(b"");
            digest.update(b"56789");
            assert_eq!(digest.finalize(), checksum, "{algorithm:?}");
            assert_eq!(digest.finalize(), checksum, "{algorithm:?}, again");
        }
    }
}
