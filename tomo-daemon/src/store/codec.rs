//! Records as bytes: a version byte, then a `MessagePack` map.

use serde::{Serialize, de::DeserializeOwned};

use crate::store::StoreError;

/// Version byte of every record this release writes.
const VERSION: u8 = 1;

pub(super) fn encode<T: Serialize>(table: &str, value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![VERSION];
    value
        .serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())
        .map_err(|error| StoreError::Other(format!("a record of table \"{table}\" does not encode: {error}")))?;
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(table: &str, bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => rmp_serde::from_slice(body)
            .map_err(|error| StoreError::Other(format!("a record of table \"{table}\" does not decode: {error}"))),
        Some((&version, _)) => Err(StoreError::Other(format!(
            "a record of table \"{table}\" has version {version}, written by a newer release: run that release"
        ))),
        None => Err(StoreError::Other(format!("a record of table \"{table}\" is empty"))),
    }
}
