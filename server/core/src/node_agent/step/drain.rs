// SPDX-License-Identifier: Apache-2.0
//! What comes before the signal: nobody sends the task connections any more, and those that are
//! open had their time.

use std::time::Duration;

use crate::assign::AssignedTask;
use crate::model::DrainPhase;

use super::Desk;

/// The reason of a task that is to stop and was not signalled yet.
const DRAINING: &str = "DRAINING";
/// What there is to say while proxies may still send it new connections.
const LEAVING: &str = "it is to stop; it goes on until every node has confirmed that it sends it \
                       no new connections";

/// What there is to say once no proxy does.
fn left(drain: Duration) -> String {
    format!(
        "it is to stop; it is sent no new connections, and those that are open have {} s to end",
        drain.as_secs_f64()
    )
}

impl Desk<'_> {
    /// Whether a task that is to stop may be signalled. Not while proxies may still send it new
    /// connections, nor before those that are open had their time to end; it says so then.
    pub(super) fn may_stop(&mut self, task: &AssignedTask) -> bool {
        let (now, template) = (self.view.now, self.view.template);
        let Some(record) = &mut self.turn.record else {
            return true;
        };
        if record.stopping.is_some() {
            return true;
        }
        match task.drain {
            None => true,
            Some(DrainPhase::Leaving) => {
                self.note(DRAINING, LEAVING);
                false
            }
            Some(DrainPhase::Left) => {
                let drain = template.map_or(Duration::ZERO, |template| template.stop.drain());
                // If the clock was set back meanwhile, all of it passes again, and no more.
                let since = record.drained_since.map_or(now, |since| since.min(now));
                record.drained_since = Some(since);
                let end = since.after(drain);
                if end > now {
                    self.note(DRAINING, &left(drain));
                    self.wake(end);
                }
                end <= now
            }
        }
    }
}
