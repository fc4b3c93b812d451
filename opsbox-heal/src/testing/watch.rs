//! The watches that are open.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    answer,
    body::Line,
    faults::Dice,
    objects::{Change, Object, Selection},
};

/// One open watch, seen from the server.
pub(super) struct Watcher {
    pub(super) id: u64,
    pub(super) selection: Selection,
    pub(super) lines: UnboundedSender<Line>,
    pub(super) bookmarks: bool,
    /// `kind` and `apiVersion` of what is watched, for bookmarks.
    pub(super) types: (String, String),
    /// An event that is sent after the next one.
    pub(super) held: Option<String>,
    /// The connection breaks in the middle of the next line.
    pub(super) breaks: bool,
}

impl Watcher {
    pub(super) fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }

    /// Sends the change, if it concerns the watch; `false` if the watch is over.
    pub(super) fn tell(&mut self, change: &Change, dice: &mut Dice) -> bool {
        let Some(kind) = change.event(&self.selection) else {
            return !self.is_closed();
        };
        let line = event(kind, &change.last);
        let breaks = dice.happens(dice.rates.break_watch);
        if breaks || std::mem::take(&mut self.breaks) {
            dice.count("break_watch");
            self.flush();
            let half = line.len() / 2;
            self.send(line.as_bytes().get(..half).unwrap_or_default());
            self.cut();
            return false;
        }
        if self.held.is_none() && dice.happens(dice.rates.reorder) {
            dice.count("reorder");
            self.held = Some(line);
            return !self.is_closed();
        }
        let mut lines = line;
        if dice.happens(dice.rates.duplicate) {
            dice.count("duplicate");
            lines.extend_from_within(..);
        }
        // In one piece: after a break the client goes on from the higher of the two versions.
        if let Some(held) = self.held.take() {
            lines.push_str(&held);
        }
        self.send(lines.as_bytes())
    }

    pub(super) fn bookmark(&mut self, version: u64, ends_list: bool) -> bool {
        if !self.bookmarks {
            return !self.is_closed();
        }
        self.flush();
        let mut meta = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        if ends_list {
            meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (kind, api_version) = &self.types;
        let object = json!({"kind": kind, "apiVersion": api_version, "metadata": meta});
        let line = format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n");
        self.send(line.as_bytes())
    }

    /// The connection breaks.
    pub(super) fn cut(&mut self) {
        self.flush();
        drop(self.lines.send(Line::Cut));
    }

    /// An ERROR event of 410; then the server ends the watch.
    pub(super) fn gone(&mut self) {
        self.flush();
        let status = answer::status(410, "Expired", &answer::too_old(1, 2), &json!({}));
        let line = format!("{{\"type\":\"ERROR\",\"object\":{status}}}\n");
        self.send(line.as_bytes());
    }

    /// Sends what was held back.
    pub(super) fn flush(&mut self) {
        if let Some(held) = self.held.take() {
            self.send(held.as_bytes());
        }
    }

    pub(super) fn send(&self, bytes: &[u8]) -> bool {
        self.lines
            .send(Line::Bytes(Bytes::copy_from_slice(bytes)))
            .is_ok()
    }
}

/// One line of a watch.
pub(super) fn event(kind: &str, object: &Object) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{}}}\n", object.whole())
}
