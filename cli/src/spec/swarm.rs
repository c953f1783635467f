// SPDX-License-Identifier: Apache-2.0
//! The settings of a swarm from the flags of `swarm init` and `swarm update`.

use skep_sdk::v1::SwarmSpec;

use super::proto_duration;
use crate::commands::swarm::SwarmFlags;

/// Takes over the flags that are set.
pub(crate) fn apply(flags: &SwarmFlags, spec: &mut SwarmSpec) {
    if let Some(name) = &flags.name {
        spec.name.clone_from(name);
    }
    if let Some(limit) = flags.task_history_limit {
        spec.task_history = Some(limit);
    }
    if let Some(span) = flags.watch_history {
        spec.watch_history = Some(proto_duration(span));
    }
    if let Some(span) = flags.dispatcher_heartbeat {
        spec.heartbeat_period = Some(proto_duration(span));
    }
    if let Some(span) = flags.down_after {
        spec.down_after = Some(proto_duration(span));
    }
    if let Some(span) = flags.orphan_after {
        spec.orphan_after = Some(proto_duration(span));
    }
    if let Some(entries) = flags.snapshot_interval {
        spec.snapshot_interval = Some(entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use crate::commands::swarm::SwarmCommand;
    use crate::output::json::Json;
    use clap::Parser;

    const EVERY_FLAG: [&str; 7] = [
        "--name=prod",
        "--task-history-limit=7",
        "--watch-history=20m",
        "--dispatcher-heartbeat=500ms",
        "--down-after=30s",
        "--orphan-after=1h",
        "--snapshot-interval=5000",
    ];

    #[test]
    fn every_flag_of_swarm_init_and_update_reaches_its_field() {
        for command in ["init", "update"] {
            let words = ["skep", "swarm", command].into_iter().chain(EVERY_FLAG);
            let mut spec = SwarmSpec::default();
            match Cli::try_parse_from(words).unwrap().command {
                Command::Swarm(SwarmCommand::Init(init)) => apply(&init.settings, &mut spec),
                Command::Swarm(SwarmCommand::Update(update)) => apply(&update.settings, &mut spec),
                other => panic!("{other:?}"),
            }
            let yaml = serde_yaml_ng::to_string(&Json::of(&spec)).unwrap();
            assert_eq!(
                yaml,
                "name: prod\ntaskHistory: 7\nwatchHistory: 1200s\nheartbeatPeriod: 0.500s\n\
                 downAfter: 30s\norphanAfter: 3600s\nsnapshotInterval: 5000\n"
            );
        }
    }
}
