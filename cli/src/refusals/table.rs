// SPDX-License-Identifier: Apache-2.0
//! The table of what is refused by name.

/// Flags or verbs with one answer.
pub(super) struct Refusal {
    /// Commands they belong to; "" is `skep` itself.
    pub(super) on: &'static [&'static str],
    /// The flags or verbs.
    pub(super) names: &'static [&'static str],
    /// What to say.
    pub(super) answer: &'static str,
}

const fn refusal(
    on: &'static [&'static str],
    names: &'static [&'static str],
    answer: &'static str,
) -> Refusal {
    Refusal { on, names, answer }
}

/// The commands that describe a service. What Docker splits into `--x` of one and `--x-add` and
/// `--x-rm` of the other has one answer.
const SERVICE: &[&str] = &["service create", "service update"];

const SECRETS: &str =
    "secrets are not there yet; use a file of the node, for a container by --mount";

const CONFIGS: &str =
    "configs are not there yet; use --env, or a file of the node, for a container by --mount";

/// The table.
pub(super) const REFUSALS: &[Refusal] = &[
    // Verbs of `docker`.
    refusal(
        &[""],
        &["stack"],
        "stacks are not there yet; create each service with `skep service create -f FILE`",
    ),
    refusal(&[""], &["secret"], SECRETS),
    refusal(&[""], &["config"], CONFIGS),
    refusal(
        &[""],
        &["network"],
        "overlay networks are not there yet; services reach one another by published ports",
    ),
    refusal(
        &[""],
        &["volume"],
        "volumes are made where a task needs them: --mount type=volume,source=NAME,target=PATH",
    ),
    refusal(
        &[""],
        &["context"],
        "contexts are written by hand into ~/.config/skep/config.json; choose one with --context",
    ),
    refusal(&[""], &["events"], "use `skep watch`"),
    refusal(
        &[""],
        &["logs"],
        "use `skep service logs` or `skep task logs`",
    ),
    refusal(
        &[""],
        &["inspect"],
        "use `skep service inspect`, `skep task inspect` or `skep node inspect`",
    ),
    refusal(&[""], &["run"], "use `skep service create`"),
    refusal(
        &[""],
        &["stop", "kill"],
        "use `skep task stop` for one task, `skep service scale SERVICE=0` for all",
    ),
    refusal(&[""], &["rm"], "use `skep service rm`"),
    refusal(&[""], &["restart"], "use `skep service update --force`"),
    refusal(&[""], &["system"], "use `skep info`"),
    refusal(
        &[""],
        &["exec", "attach", "cp", "top", "diff", "export", "commit"],
        "there is no way into a task yet; `skep task inspect` shows its node, and there its process \
            id or, for the engine's own commands, the id of its container",
    ),
    refusal(
        &[""],
        &["stats"],
        "what tasks use is not measured yet; `skep node inspect` shows what is reserved, `skep task \
            inspect` which process or container to look at",
    ),
    refusal(
        &[""],
        &["port"],
        "use `skep service inspect`, or PORTS of `skep service ls`",
    ),
    refusal(
        &[""],
        &["wait"],
        "create, update and scale wait by themselves, unless told --detach; for a task use `skep \
            task watch`",
    ),
    refusal(
        &[""],
        &["pause", "unpause"],
        "tasks cannot be frozen; `skep service pause` stops a rollout, `skep node update \
            --availability pause` keeps new tasks off a node",
    ),
    refusal(
        &[""],
        &["create", "start"],
        "use `skep service create`, with --replicas 0 for one that is to start later",
    ),
    refusal(
        &[""],
        &["update", "rename"],
        "use `skep service update`; a service keeps its name",
    ),
    refusal(
        &[""],
        &["compose"],
        "files of Compose are not read; create each service with `skep service create -f FILE`",
    ),
    refusal(
        &[""],
        &["login", "logout"],
        "nodes pull with the credentials of their own Docker config file, see skepd \
            --registry-config; write it with `docker login`",
    ),
    refusal(
        &[""],
        &["plugin"],
        "there are no plugins; volume drivers are those of the engine, --mount volume-driver=NAME",
    ),
    refusal(
        &[""],
        &["history"],
        "use `skep service history` for the revisions of a service",
    ),
    refusal(
        &[""],
        &["container"],
        "use `skep task ls`, `skep task inspect` and `skep task logs`",
    ),
    refusal(
        &[""],
        &[
            "build",
            "builder",
            "buildx",
            "checkpoint",
            "ext",
            "image",
            "images",
            "import",
            "init",
            "load",
            "manifest",
            "pull",
            "push",
            "rmi",
            "save",
            "scout",
            "search",
            "tag",
            "trust",
        ],
        "images are built, pulled and looked at with the engine's own commands; `skep service create \
            IMAGE` runs one",
    ),
    refusal(
        &[""],
        &["--config"],
        "the file is always ~/.config/skep/config.json",
    ),
    refusal(
        &[""],
        &["-D", "--debug", "-l", "--log-level"],
        "there is no log of the client; errors say all it knows",
    ),
    refusal(
        &[""],
        &[
            "--tls",
            "--tlscacert",
            "--tlscert",
            "--tlskey",
            "--tlsverify",
        ],
        "TLS is not there yet; use the daemon's socket",
    ),
    // Swarm.
    refusal(
        &["swarm"],
        &["join", "join-token"],
        "joining is not there yet; `skepd --dev --nodes N` starts N nodes on one machine",
    ),
    refusal(
        &["swarm"],
        &["unlock", "unlock-key"],
        "locking is not there yet",
    ),
    refusal(&["swarm"], &["ca"], "certificates are not there yet"),
    refusal(
        &["swarm init"],
        &[
            "--advertise-addr",
            "--listen-addr",
            "--data-path-addr",
            "--data-path-port",
        ],
        "other machines cannot join yet, so there is no address to give; the daemon's flag is `skepd --node-addr`",
    ),
    refusal(
        &["swarm init"],
        &["--force-new-cluster"],
        "there is one manager yet, which needs no other: restart its daemon",
    ),
    refusal(
        &["swarm init"],
        &["--default-addr-pool", "--default-addr-pool-mask-length"],
        "overlay networks are not there yet",
    ),
    refusal(
        &["swarm init", "swarm update"],
        &["--autolock"],
        "locking is not there yet; restrict who can read the data directory",
    ),
    refusal(
        &["swarm init", "swarm update"],
        &["--cert-expiry", "--external-ca"],
        "certificates are not there yet",
    ),
    refusal(
        &["swarm init", "swarm update"],
        &["--max-snapshots"],
        "only the newest snapshot is kept",
    ),
    // Nodes.
    refusal(
        &["node"],
        &["promote", "demote"],
        "there is one manager yet, and its role is fixed",
    ),
    refusal(
        &["node update"],
        &["--role"],
        "there is one manager yet, and its role is fixed",
    ),
    // Services.
    refusal(
        &["service update"],
        &["--rollback"],
        "use `skep service rollback`",
    ),
    refusal(
        &["service create"],
        &["--rollback"],
        "a service that is new has nothing to go back to",
    ),
    refusal(
        SERVICE,
        &["--network", "--network-add", "--network-rm"],
        "overlay networks are not there yet; services reach one another by published ports",
    ),
    refusal(
        SERVICE,
        &["--secret", "--secret-add", "--secret-rm"],
        SECRETS,
    ),
    refusal(
        SERVICE,
        &["--config", "--config-add", "--config-rm"],
        CONFIGS,
    ),
    refusal(
        SERVICE,
        &["--endpoint-mode"],
        "names and virtual addresses are not there yet; publish a port with --publish",
    ),
    refusal(
        SERVICE,
        &["--isolation", "--credential-spec"],
        "that is for Windows, which is not there yet",
    ),
    refusal(
        SERVICE,
        &[
            "--generic-resource",
            "--generic-resource-add",
            "--generic-resource-rm",
        ],
        "devices are not there yet; label the nodes that have them, and use --constraint",
    ),
    refusal(
        SERVICE,
        &["--with-registry-auth"],
        "nodes pull with the credentials of their own Docker config file, see skepd --registry-config",
    ),
    refusal(SERVICE, &["--max-concurrent"], "jobs are not there yet"),
    refusal(
        SERVICE,
        &["--memory-swap", "--memory-swappiness"],
        "swap cannot be limited yet; --limit-memory limits memory",
    ),
    refusal(
        &["service logs", "task logs"],
        &["--details"],
        "what a log driver adds to a line is not there yet; --log-driver and --log-opt of a service \
            choose where its lines go",
    ),
    refusal(
        &["service logs", "task logs"],
        &["--until"],
        "an end time is not there yet; --since and --tail limit where lines begin",
    ),
];
