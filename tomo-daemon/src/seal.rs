//! Files that are sealed in pieces of 64 KiB, a STREAM of XChaCha20-Poly1305 (Hoang, Reyhanitabar, Rogaway, Vizár 2015): a piece that is
//! changed, moved, left out or cut off does not open. Each piece is bound to what its file says of itself. What lies in the file is
//! the business of whoever writes it.

use std::io::{Read, Write};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::{Key, XChaCha20Poly1305, aead::Payload};
use zeroize::Zeroizing;

/// Bytes of a piece before it is sealed.
const PIECE: usize = 64 * 1024;
/// What sealing adds to a piece.
const TAG: usize = 16;
/// Bytes of the nonce that the STREAM leaves to us.
pub(crate) const NONCE: usize = 19;

/// Seals what is written, piece by piece.
pub(crate) struct Sealer<W> {
    out: W,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    bound: Vec<u8>,
    piece: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    pub(crate) fn new(out: W, key: &Zeroizing<[u8; 32]>, nonce: &[u8; NONCE], bound: Vec<u8>) -> Self {
        let stream = EncryptorBE32::new(<&Key>::from(&**key), nonce.into());
        Self { out, stream, bound, piece: Zeroizing::new(Vec::with_capacity(PIECE)) }
    }

    /// Seals the last piece: without it what was sealed does not open.
    pub(crate) fn end(mut self) -> anyhow::Result<W> {
        let last = self.stream.encrypt_last(Payload { msg: &self.piece, aad: &self.bound });
        self.out.write_all(&last.map_err(|_| anyhow::anyhow!("the last piece cannot be sealed"))?)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The last piece is sealed at the end, so a full one waits until more comes.
        if self.piece.len() == PIECE {
            let sealed = self.stream.encrypt_next(Payload { msg: &self.piece, aad: &self.bound });
            self.out.write_all(&sealed.map_err(|_| std::io::Error::other("the backup is too large"))?)?;
            self.piece.clear();
        }
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Opens what was sealed, piece by piece.
pub(crate) struct Opener<R> {
    source: R,
    stream: Option<DecryptorBE32<XChaCha20Poly1305>>,
    bound: Vec<u8>,
    /// The next sealed piece, read ahead to know whether it is the last.
    ahead: Vec<u8>,
    piece: Zeroizing<Vec<u8>>,
    at: usize,
}

fn read_piece(source: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE + TAG);
    source.take((PIECE + TAG) as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

impl<R: Read> Opener<R> {
    pub(crate) fn new(
        mut source: R,
        key: &Zeroizing<[u8; 32]>,
        nonce: &[u8; NONCE],
        bound: Vec<u8>,
    ) -> std::io::Result<Self> {
        let stream = DecryptorBE32::new(<&Key>::from(&**key), nonce.into());
        let ahead = read_piece(&mut source)?;
        Ok(Self { source, stream: Some(stream), bound, ahead, piece: Zeroizing::default(), at: 0 })
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.piece.len() {
            let Some(mut stream) = self.stream.take() else { return Ok(0) };
            let next = read_piece(&mut self.source)?;
            let payload = Payload { msg: &self.ahead, aad: &self.bound };
            let opened = if next.is_empty() {
                stream.decrypt_last(payload)
            } else {
                let opened = stream.decrypt_next(payload);
                self.stream = Some(stream);
                opened
            };
            let refused =
                || std::io::Error::new(std::io::ErrorKind::InvalidData, "a piece of it was changed or cut off");
            self.piece = Zeroizing::new(opened.map_err(|_| refused())?);
            (self.ahead, self.at) = (next, 0);
        }
        let taken = into.len().min(self.piece.len() - self.at);
        into[..taken].copy_from_slice(&self.piece[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}
