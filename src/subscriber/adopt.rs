//! How a stream goes on when the config was read again: under the new rules, without the logs that were taken away. No
//! record is lost or given twice over it.

use std::sync::Arc;

use super::sink::Sink;
use super::stream::{Subscription, common_under};
use crate::event::{Event, Gap, Reason};
use crate::position::Cursor;

impl Subscription {
    /// Takes over what holds now, if that is something else.
    pub(super) fn adopt(&mut self, sink: &mut impl Sink) {
        if self.shared.ruling.borrow().version != self.ruling.version {
            let ruling = self.shared.ruling();
            for index in 0..self.readers.len() {
                let layout = ruling.layout(&self.readers[index].log);
                if !layout.is(&self.readers[index].layout) {
                    // What is open was begun under the layout from before, and ends with it.
                    self.end_groups(index, true, sink);
                    self.readers[index].layout = layout;
                }
            }
            self.throttle.forget_spans();
            self.share = self.shared.shares.of(common_under(&self.common, &ruling));
            self.is_shared &= !ruling.rules.throttles();
            self.ruling = ruling;
            self.stale = true;
        }
        // What is in order by time is of all logs as they were.
        if self.stale && self.merge.is_none() {
            self.stale = false;
            self.let_go_of_logs(sink);
        }
    }

    /// Leaves logs that the agent does not have any more, and says so.
    fn let_go_of_logs(&mut self, sink: &mut impl Sink) {
        for index in (0..self.readers.len()).rev() {
            let log = self.readers[index].log.clone();
            if self.shared.logs.get(&log.name).is_some_and(|known| Arc::ptr_eq(&known, &log)) {
                continue;
            }
            self.end_groups(index, true, sink);
            let certain = !self.readers[index].is_at_end();
            let from = self.readers[index].positions();
            self.readers.remove(index);
            self.notices.told.remove(index);
            (self.lacks, self.own_moves) = (true, None);
            self.log_changes.set();
            let gap = Gap {
                reason: Reason::UnknownLog,
                log: Some(log.name.to_string()),
                from: (!from.is_empty()).then(|| Cursor::new(from).to_string()),
                to: Some(self.cursor().to_string()),
                file: None,
                certain,
                lost_bytes: None,
                may_repeat: false,
            };
            self.tell(0, &Event::Gap(gap), sink);
        }
    }
}
