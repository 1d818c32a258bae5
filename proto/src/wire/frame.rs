//! Frames: a four-byte big-endian length, then that many bytes; and the encoding of messages inside them.

use serde::{Serialize, de::DeserializeOwned};

/// Largest body of a frame. A longer one ends the stream it came on.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;

/// Bytes of the length prefix.
pub const PREFIX_BYTES: usize = 4;

/// Version byte at the head of every encoded message.
const ENCODING: u8 = 1;

/// A message or frame could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME_BYTES`].
    #[error("frame of {0} bytes is over the limit of {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// Nothing in it.
    #[error("frame is empty")]
    Empty,
    /// Its first byte is a version this release does not know.
    #[error("message encoding {0} is not known to this release")]
    UnknownEncoding(u8),
    /// Its bytes are not the wanted message.
    #[error("message does not decode: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
    /// The value cannot be encoded.
    #[error("message does not encode: {0}")]
    Unencodable(#[from] rmp_serde::encode::Error),
    /// A delta-coded part of a report does not fit its schema.
    #[error("report does not decode: {0}")]
    MalformedReport(&'static str),
}

/// Encodes a message as the body of a frame.
///
/// # Errors
/// [`FrameError::TooLong`] if it does not fit a frame.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut body = vec![ENCODING];
    message.serialize(&mut rmp_serde::Serializer::new(&mut body).with_struct_map())?;
    if body.len() > MAX_FRAME_BYTES { Err(FrameError::TooLong(body.len())) } else { Ok(body) }
}

/// Decodes the body of a frame.
///
/// # Errors
/// Whatever the bytes are, an error and never a panic.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    match body.split_first() {
        None => Err(FrameError::Empty),
        Some((&ENCODING, message)) => Ok(rmp_serde::from_slice(message)?),
        Some((&other, _)) => Err(FrameError::UnknownEncoding(other)),
    }
}

/// Encodes a message with its length prefix, ready to be written to a stream.
///
/// # Errors
/// As [`encode`].
pub fn encode_framed<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body = encode(message)?;
    let length = u32::try_from(body.len()).map_err(|_| FrameError::TooLong(body.len()))?;
    let mut framed = Vec::with_capacity(PREFIX_BYTES + body.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&body);
    Ok(framed)
}

/// Reads a length prefix. Call it before anything is allocated for the body.
///
/// # Errors
/// [`FrameError::TooLong`] above the limit, [`FrameError::Empty`] for zero.
pub fn body_length(prefix: [u8; PREFIX_BYTES]) -> Result<usize, FrameError> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    match length {
        0 => Err(FrameError::Empty),
        1..=MAX_FRAME_BYTES => Ok(length),
        _ => Err(FrameError::TooLong(length)),
    }
}

/// Bytes as a `MessagePack` byte string instead of an array of numbers.
pub(super) mod bytes_field {
    use serde::{Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
