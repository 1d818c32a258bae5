//! Samples: blocks of rows by server and time, and the numbers that make each report count once.
//!
//! Rows are appended to a server's newest block until it is full, so that a block is a few kilobytes whatever the interval. The
//! coding of a block is the agent link's own ([`encode_rows`]); compression and rollups will take its place behind this module.

use std::{collections::HashMap, sync::Arc};

use redb::{ReadableTable, TableDefinition};
use tomo_proto::{
    id::{AgentId, ServerId},
    model::metric::SeriesKey,
    wire::report::{Row, decode_rows, encode_rows},
};

use crate::store::{
    ReportedSamples, StoreError, WriteTx, codec,
    file::failure,
    transaction::{ReadTx, absent},
};

/// (server, time of the first row) → id of the columns (8 bytes, big-endian), then the rows.
pub(super) const SAMPLES: TableDefinition<'static, (u64, u64), &'static [u8]> = TableDefinition::new("samples");

/// Id of the columns → the columns. The id is the first half of a hash over them.
const SCHEMAS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("schemas");

/// Agent → (boot, highest committed report number).
pub(super) const ACKNOWLEDGED: TableDefinition<'static, u64, (u64, u64)> = TableDefinition::new("acknowledged");

/// A block takes rows until it has this many or spans this long.
const BLOCK_ROWS: usize = 128;
const BLOCK_SPAN_MS: u64 = 600_000;

/// Blocks deleted in one transaction.
const DELETE_BATCH: usize = 2_000;

fn malformed(error: impl std::fmt::Display) -> StoreError {
    StoreError::Other(format!("a block of samples does not decode: {error}"))
}

fn split(bytes: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let (schema, block) = bytes.split_at_checked(8).ok_or_else(|| malformed("it is cut short"))?;
    Ok((u64::from_be_bytes(schema.try_into().map_err(malformed)?), block))
}

/// A server's newest block while a group is committed: it is read once and written once, however many reports fall into it.
struct OpenBlock {
    key: (u64, u64),
    schema: u64,
    rows: Vec<Row>,
}

impl OpenBlock {
    /// Whether rows of these columns that begin and end then still belong into it.
    fn takes(&self, schema: u64, first: &Row, newest: &Row) -> bool {
        self.schema == schema
            && self.rows.len() < BLOCK_ROWS
            && first.at_ms >= self.key.1
            && newest.at_ms.saturating_sub(self.key.1) < BLOCK_SPAN_MS
    }

    fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let mut value = self.schema.to_be_bytes().to_vec();
        value.extend(encode_rows(&self.rows).map_err(malformed)?);
        Ok(value)
    }
}

pub(super) fn commit(change: &WriteTx<'_>, group: &[ReportedSamples]) -> Result<(), StoreError> {
    let (transaction, path) = (change.transaction(), change.path());
    let mut acknowledged = transaction.open_table(ACKNOWLEDGED).map_err(|error| failure(path, error))?;
    let mut schemas = transaction.open_table(SCHEMAS).map_err(|error| failure(path, error))?;
    let mut samples = transaction.open_table(SAMPLES).map_err(|error| failure(path, error))?;
    let mut open: HashMap<u64, OpenBlock> = HashMap::new();
    let mut known: Option<(&Arc<Vec<SeriesKey>>, u64)> = None;
    for reported in group {
        let agent = reported.agent.to_u64();
        let last = acknowledged.get(agent).map_err(|error| failure(path, error))?.map(|guard| guard.value());
        if last.is_some_and(|(boot, number)| boot == reported.boot_id && number >= reported.number) {
            continue;
        }
        acknowledged.insert(agent, (reported.boot_id, reported.number)).map_err(|error| failure(path, error))?;
        let (Some(first), Some(newest)) = (reported.rows.first(), reported.rows.last()) else { continue };
        let schema = match known.filter(|(columns, _)| Arc::ptr_eq(columns, &reported.schema)) {
            Some((_, schema)) => schema,
            None => {
                let columns = codec::encode("schemas", reported.schema.as_ref())?;
                let schema = schema_id(&columns);
                if schemas.get(schema).map_err(|error| failure(path, error))?.is_none() {
                    schemas.insert(schema, columns.as_slice()).map_err(|error| failure(path, error))?;
                }
                schema
            }
        };
        known = Some((&reported.schema, schema));
        let server = reported.server.to_u64();
        if !open.contains_key(&server)
            && let Some(block) =
                samples.range((server, 0)..=(server, u64::MAX)).map_err(|error| failure(path, error))?.next_back()
        {
            let (key, bytes) = block.map_err(|error| failure(path, error))?;
            let (schema, block) = split(bytes.value())?;
            open.insert(server, OpenBlock { key: key.value(), schema, rows: decode_rows(block).map_err(malformed)? });
        }
        if let Some(block) = open.get_mut(&server).filter(|block| block.takes(schema, first, newest)) {
            block.rows.extend_from_slice(&reported.rows);
            continue;
        }
        let mut key = (server, first.at_ms);
        if let Some(full) = open.remove(&server) {
            samples.insert(full.key, full.encode()?.as_slice()).map_err(|error| failure(path, error))?;
        }
        while samples.get(key).map_err(|error| failure(path, error))?.is_some() {
            key.1 += 1;
        }
        open.insert(server, OpenBlock { key, schema, rows: reported.rows.clone() });
    }
    for block in open.into_values() {
        samples.insert(block.key, block.encode()?.as_slice()).map_err(|error| failure(path, error))?;
    }
    Ok(())
}

fn schema_id(columns: &[u8]) -> u64 {
    let hash = ring::digest::digest(&ring::digest::SHA256, columns);
    hash.as_ref().iter().take(8).fold(0, |id, byte| (id << 8) | u64::from(*byte))
}

/// Rows with the columns they were measured in.
pub type SampleBlock = (Arc<Vec<SeriesKey>>, Vec<Row>);

pub(super) fn read(
    view: &ReadTx,
    server: ServerId,
    from_ms: u64,
    until_ms: u64,
) -> Result<Vec<SampleBlock>, StoreError> {
    let path = view.path();
    let Some(samples) = absent(path, view.transaction().open_table(SAMPLES))? else { return Ok(Vec::new()) };
    let Some(schemas) = absent(path, view.transaction().open_table(SCHEMAS))? else { return Ok(Vec::new()) };
    let mut columns: HashMap<u64, Arc<Vec<SeriesKey>>> = HashMap::new();
    let mut blocks = Vec::new();
    let server = server.to_u64();
    let range = (server, from_ms.saturating_sub(BLOCK_SPAN_MS))..=(server, until_ms);
    for block in samples.range(range).map_err(|error| failure(path, error))? {
        let (_, bytes) = block.map_err(|error| failure(path, error))?;
        let (schema, block) = split(bytes.value())?;
        let mut rows = decode_rows(block).map_err(malformed)?;
        rows.retain(|row| (from_ms..=until_ms).contains(&row.at_ms));
        if rows.is_empty() {
            continue;
        }
        let columns = match columns.get(&schema) {
            Some(known) => Arc::clone(known),
            None => {
                let bytes = schemas
                    .get(schema)
                    .map_err(|error| failure(path, error))?
                    .ok_or_else(|| malformed("its columns are missing"))?;
                let read = Arc::new(codec::decode("schemas", bytes.value())?);
                columns.insert(schema, Arc::clone(&read));
                read
            }
        };
        blocks.push((columns, rows));
    }
    Ok(blocks)
}

pub(super) fn acknowledged(view: &ReadTx, agent: AgentId, boot_id: u64) -> Result<u64, StoreError> {
    let Some(table) = absent(view.path(), view.transaction().open_table(ACKNOWLEDGED))? else { return Ok(0) };
    let last = table.get(agent.to_u64()).map_err(|error| failure(view.path(), error))?.map(|guard| guard.value());
    Ok(last.filter(|(boot, _)| *boot == boot_id).map_or(0, |(_, number)| number))
}

pub(super) fn delete_before(change: &WriteTx<'_>, before_ms: u64) -> Result<bool, StoreError> {
    let path = change.path();
    let mut samples = change.transaction().open_table(SAMPLES).map_err(|error| failure(path, error))?;
    let mut old = Vec::new();
    let mut server = 0;
    // Hops from server to server; the newest block of one may still reach beyond the limit, hence the span.
    while old.len() < DELETE_BATCH {
        let next = samples.range((server, 0)..).map_err(|error| failure(path, error))?.next();
        let Some(next) = next else { break };
        server = next.map_err(|error| failure(path, error))?.0.value().0;
        let range = (server, 0)..(server, before_ms.saturating_sub(BLOCK_SPAN_MS));
        for block in samples.range(range).map_err(|error| failure(path, error))?.take(DELETE_BATCH - old.len()) {
            old.push(block.map_err(|error| failure(path, error))?.0.value());
        }
        let Some(following) = server.checked_add(1) else { break };
        server = following;
    }
    for key in &old {
        samples.remove(key).map_err(|error| failure(path, error))?;
    }
    Ok(old.len() == DELETE_BATCH)
}

pub(super) fn delete_server(change: &WriteTx<'_>, server: ServerId) -> Result<(), StoreError> {
    let path = change.path();
    let mut samples = change.transaction().open_table(SAMPLES).map_err(|error| failure(path, error))?;
    let server = server.to_u64();
    samples.retain_in((server, 0)..=(server, u64::MAX), |_, _| false).map_err(|error| failure(path, error))
}
