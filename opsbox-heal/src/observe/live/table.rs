//! A page of the table that the server makes.

use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use super::{
    call::{Answer, Call},
    decode,
    split::Elements,
    stats::SweepStats,
};
use crate::{
    error::{Error, ErrorKind},
    limits::{LIST_ANSWER_LIMIT, LIST_SILENCE_LIMIT, MAX_OBJECT_BYTES},
};

/// A page of a table, or of what the server sends instead.
#[derive(Default)]
pub(super) struct Page {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
    /// Objects as they are, if the server made no table.
    pub(super) objects: Vec<Box<[u8]>>,
    pub(super) is_list: bool,
    pub(super) token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TableRow {
    cells: Vec<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TableEnvelope {
    kind: String,
    metadata: decode::ListMeta,
    column_definitions: Vec<ColumnDefinition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ColumnDefinition {
    name: String,
}

impl Page {
    /// Reads an answer, and notes how many bytes it had.
    pub(super) async fn read(
        call: &Call,
        client: &Client,
        stats: &mut SweepStats,
    ) -> Result<Self, Error> {
        let mut answer: Answer = call.send(client, LIST_ANSWER_LIMIT).await?;
        let mut elements = Elements::new(&["rows", "items"], MAX_OBJECT_BYTES);
        let mut page = Self::default();
        while let Some(bytes) = answer.next(LIST_SILENCE_LIMIT).await? {
            stats.read(&bytes);
            let mut odd = false;
            let each = |member, json: &[u8]| match member {
                "rows" => match serde_json::from_slice::<TableRow>(json) {
                    Ok(row) => page.rows.push(row.cells),
                    Err(_) => odd = true,
                },
                _ => page.objects.push(json.into()),
            };
            elements.push(&bytes, each).map_err(|_| not_json(call))?;
            if odd {
                return Err(not_json(call));
            }
        }
        let envelope = elements.finish().ok_or_else(|| ended(call))?;
        let envelope: TableEnvelope =
            serde_json::from_slice(&envelope).map_err(|_| not_json(call))?;
        page.is_list = envelope.kind.ends_with("List");
        page.columns = envelope
            .column_definitions
            .into_iter()
            .map(|c| c.name)
            .collect();
        page.token = envelope.metadata.token;
        Ok(page)
    }
}

pub(super) fn ended(call: &Call) -> Error {
    let what = "the connection ended in the middle of the answer";
    call.error(ErrorKind::Unreachable, what)
}

pub(super) fn not_json(call: &Call) -> Error {
    call.error(ErrorKind::Syntax, "the answer is not JSON of the API")
}
