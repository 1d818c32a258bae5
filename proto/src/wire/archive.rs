//! What is in a volume, on its way: a tar archive in parts, and what it came to. Whoever passes one on reads it as [`Tar`] does: one that
//! was cut off, or that goes on after its end, is told from a whole one.

use ring::digest::{Context, SHA256};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::frame;

/// Bytes in one part, at most.
pub const PART_BYTES: usize = 32 * 1024;
/// The unit of a tar archive.
const BLOCK: usize = 512;
/// A description longer than this is nobody's name.
const MOST_DESCRIPTION: u64 = 1 << 20;

/// A part of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The next bytes, at most [`PART_BYTES`].
    Bytes(#[serde(with = "frame::bytes_field")] Vec<u8>),
    /// That was all, and this is what it has to come to.
    End(Contents),
}

/// What an archive came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contents {
    /// Files, folders, links and whatever else there is in a volume; the volume's own folder counts too.
    pub files: u64,
    /// Bytes in its files.
    pub bytes: u64,
    /// SHA-256 of the archive, hex: names, owners, modes, times and contents.
    pub checksum: String,
}

/// Reads an archive as it goes by, in steps of any length, and keeps next to nothing of it.
#[derive(Clone)]
pub struct Tar {
    digest: Context,
    contents: Contents,
    /// The header that is being read.
    header: Vec<u8>,
    /// What describes the next file, while it is being read.
    description: Option<Vec<u8>>,
    /// Size of the next file, if it was described.
    described_size: Option<u64>,
    /// Bytes until the next header.
    skip: u64,
    /// Those of them that fill the last block up.
    padding: u64,
    /// Empty blocks seen; two are the end.
    empty: u8,
    problem: Option<&'static str>,
}

impl std::fmt::Debug for Tar {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Tar").field("contents", &self.contents).finish_non_exhaustive()
    }
}

impl Default for Tar {
    fn default() -> Self {
        Self {
            digest: Context::new(&SHA256),
            contents: Contents::default(),
            header: Vec::with_capacity(BLOCK),
            description: None,
            described_size: None,
            skip: 0,
            padding: 0,
            empty: 0,
            problem: None,
        }
    }
}

impl Tar {
    /// Reads on.
    pub fn take(&mut self, mut bytes: &[u8]) {
        self.digest.update(bytes);
        while !bytes.is_empty() && self.problem.is_none() {
            if self.skip > 0 {
                let length = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                let (now, later) = bytes.split_at(length);
                self.skip -= length as u64;
                bytes = later;
                if let Some(description) = &mut self.description {
                    description.extend_from_slice(now);
                    if self.skip == 0 {
                        self.take_description();
                    }
                }
                continue;
            }
            let (now, later) = bytes.split_at((BLOCK - self.header.len()).min(bytes.len()));
            self.header.extend_from_slice(now);
            bytes = later;
            if self.header.len() == BLOCK {
                let header = std::mem::replace(&mut self.header, Vec::with_capacity(BLOCK));
                self.take_header(&header);
            }
        }
    }

    /// Files read so far.
    #[must_use]
    pub const fn files(&self) -> u64 {
        self.contents.files
    }

    /// Bytes of files read so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.contents.bytes
    }

    /// What it came to.
    ///
    /// # Errors
    /// It was cut off, or is no archive.
    pub fn end(self) -> Result<Contents, String> {
        if let Some(problem) = self.problem {
            return Err(format!("it is no archive of a volume: {problem}"));
        }
        if self.empty < 2 || self.skip > 0 || !self.header.is_empty() {
            return Err(format!("it was cut off after {} files", self.contents.files));
        }
        let checksum = self.digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Contents { checksum, ..self.contents })
    }

    fn take_header(&mut self, header: &[u8]) {
        if header.iter().all(|byte| *byte == 0) {
            self.empty = self.empty.saturating_add(1);
            return;
        }
        if self.empty > 0 {
            self.problem = Some("something follows its end");
            return;
        }
        let stated = header.get(148..156).and_then(octal);
        let sum =
            header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) });
        if stated != Some(sum.sum()) {
            self.problem = Some("a header of it is damaged");
            return;
        }
        let Some(size) = header.get(124..136).and_then(number) else {
            self.problem = Some("a size in it is none");
            return;
        };
        match header.get(156) {
            // Descriptions of what follows, in the formats of POSIX and of GNU.
            Some(b'x' | b'L' | b'K' | b'g') => {
                if size > MOST_DESCRIPTION {
                    self.problem = Some("a description in it is too long");
                    return;
                }
                if header.get(156) == Some(&b'x') {
                    self.description = Some(Vec::new());
                }
                self.go_past(size);
            }
            kind => {
                let size = self.described_size.take().unwrap_or(size);
                let has_content = matches!(kind, Some(b'0' | 0 | b'7'));
                let size = if has_content { size } else { 0 };
                self.contents.files += 1;
                self.contents.bytes = self.contents.bytes.saturating_add(size);
                self.go_past(size);
            }
        }
    }

    fn go_past(&mut self, size: u64) {
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let Some(whole) = size.checked_add(self.padding) else {
            self.problem = Some("a size in it is none");
            return;
        };
        self.skip = whole;
        if whole == 0 {
            self.description = None;
        }
    }

    /// Of a file's description only its size matters: the header has no room for large ones.
    fn take_description(&mut self) {
        let Some(text) = self.description.take() else { return };
        let length = text.len().saturating_sub(usize::try_from(self.padding).unwrap_or(0));
        let mut rest = text.get(..length).unwrap_or_default();
        // `LENGTH KEY=VALUE\n`, where the length counts itself.
        while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
            let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse::<usize>().ok());
            let Some(record) = length.and_then(|length| rest.get(space + 1..length)) else {
                self.problem = Some("a description in it is none");
                return;
            };
            if let Some(value) = record.strip_prefix(b"size=") {
                self.described_size =
                    std::str::from_utf8(value.trim_ascii_end()).ok().and_then(|text| text.parse().ok());
            }
            rest = rest.get(space + 1 + record.len()..).unwrap_or_default();
        }
    }
}

/// A number of a header: octal digits, or bytes of which the first has its top bit set.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first()? {
        (first, rest) if first & 0x80 != 0 => {
            let (high, low) = rest.split_at(rest.len().checked_sub(8)?);
            if first & 0x7f != 0 || high.iter().any(|byte| *byte != 0) {
                return None;
            }
            Some(u64::from_be_bytes(low.try_into().ok()?))
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(kind: u8, size: &[u8]) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..4].copy_from_slice(b"name");
        header[124..124 + size.len()].copy_from_slice(size);
        header[156] = kind;
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum::<u64>() + 8 * 32;
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }

    fn padded(content: &[u8]) -> Vec<u8> {
        let mut content = content.to_vec();
        content.resize(content.len().div_ceil(BLOCK) * BLOCK, 0);
        content
    }

    /// A folder, a link, a file, and a file whose size only its description tells.
    fn sample() -> Vec<u8> {
        let described = padded(b"19 path=a long one\n12 size=700\n");
        let parts = [
            header(b'5', b"00000000000"),
            header(b'2', b"00000000000"),
            header(b'0', b"00000000005"),
            padded(b"hello"),
            header(b'x', b"00000000037"),
            described,
            header(b'0', b"00000000000"),
            padded(&[7; 700]),
            vec![0; 2 * BLOCK],
        ];
        parts.concat()
    }

    fn read(bytes: &[u8], step: usize) -> Result<Contents, String> {
        let mut tar = Tar::default();
        bytes.chunks(step).for_each(|chunk| tar.take(chunk));
        tar.end()
    }

    #[test]
    fn an_archive_comes_to_the_same_in_steps_of_any_length() {
        let whole = read(&sample(), usize::MAX).expect("is one");
        assert_eq!((whole.files, whole.bytes, whole.checksum.len()), (4, 705, 64));
        for step in [1, 7, 511, 512, 513, 4096] {
            assert_eq!(read(&sample(), step), Ok(whole.clone()), "{step}");
        }
        let large = [header(b'0', &[&[0x80, 0, 0, 0][..], &9_u64.to_be_bytes()].concat()), padded(&[1; 9])].concat();
        assert_eq!(read(&[large, vec![0; 1024]].concat(), 100).expect("is one").bytes, 9);
    }

    #[test]
    fn what_was_cut_off_goes_on_or_was_damaged_is_told_from_a_whole_one() {
        let whole = sample();
        for length in 0..whole.len() {
            assert!(read(&whole[..length], 1_000).is_err(), "{length} bytes of it");
        }
        let after = [whole.clone(), header(b'0', b"0")].concat();
        assert!(read(&after, 100).expect_err("is refused").contains("follows its end"));
        let mut damaged = whole;
        damaged[0] ^= 1;
        assert!(read(&damaged, 100).expect_err("is refused").contains("damaged"));
        let endless = [header(b'x', b"77777777777"), vec![b'1'; 4096]].concat();
        assert!(read(&endless, 100).expect_err("is refused").contains("too long"));
    }

    proptest! {
        #[test]
        fn any_archive_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000), place in any::<prop::sample::Index>(), value in any::<u8>()) {
            drop(read(&bytes, 100));
            let mut damaged = sample();
            let place = place.index(damaged.len());
            damaged[place] = value;
            drop(read(&damaged, 100));
        }
    }
}
