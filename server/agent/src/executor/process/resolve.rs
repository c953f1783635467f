// SPDX-License-Identifier: Apache-2.0
//! Turns the names in a task's work into what this node knows them as, or refuses them.

use std::ffi::CString;
use std::io::ErrorKind;
use std::path::Path;

use nix::unistd::{self, Gid, Group, Uid, User};

use crate::cgroup::{Cgroups, Controller};
use crate::executor::{ExecutorError, TaskWork};
use crate::logs::LogLimits;
use crate::shim::limits;
use crate::shim::spec::{Credentials, Spec};

/// The environment variable that marks every process of a task.
pub(super) const TASK_ID: &str = "SKEP_TASK_ID";

/// What a task finds programs by if its spec does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the shim is told.
///
/// # Errors
/// `Refused`, naming the field.
pub(super) fn spec(
    mut work: TaskWork,
    cgroups: &Cgroups,
    logs: LogLimits,
) -> Result<Spec, ExecutorError> {
    check_texts(&work)?;
    check_limits(&work, cgroups)?;
    check_paths(&work)?;
    let credentials = credentials(&work.user, &work.groups, &Daemon::this())?;
    work.env.insert(TASK_ID.into(), work.task.to_string());
    work.env.entry("PATH".into()).or_insert_with(|| PATH.into());
    let cgroup = cgroups.plan(work.task, &work.limits);
    Ok(Spec {
        work,
        credentials,
        cgroup,
        logs,
    })
}

fn check_texts(work: &TaskWork) -> Result<(), ExecutorError> {
    let refuse = |field: String, problem: &str| Err(ExecutorError::refused(field, problem));
    const NUL: &str = "a text with a zero byte cannot be passed to a program";
    match work.command.first() {
        None => return refuse("process.command".into(), "it names no program"),
        Some(program) if !program.starts_with('/') => {
            let problem = format!("{program}: give the program's absolute path");
            return refuse("process.command[0]".into(), &problem);
        }
        Some(_) => {}
    }
    for (field, texts) in [("command", &work.command), ("args", &work.args)] {
        if let Some(at) = texts.iter().position(|text| text.contains('\0')) {
            return refuse(format!("process.{field}[{at}]"), NUL);
        }
    }
    for (key, value) in &work.env {
        if key.is_empty() || key.contains(['=', '\0']) {
            return refuse(
                "process.env".into(),
                &format!("{key:?} cannot be a variable's name"),
            );
        }
        if value.contains('\0') {
            return refuse(format!("process.env[{key:?}]"), NUL);
        }
    }
    if !work.dir.is_empty() && (!work.dir.starts_with('/') || work.dir.contains('\0')) {
        let problem = format!("{}: give an absolute path", work.dir);
        return refuse("process.dir".into(), &problem);
    }
    Ok(())
}

/// What surely is not there is refused while the task is made ready: in an update the task before
/// it goes on then. Everything else shows when the task starts, as the user it becomes.
fn check_paths(work: &TaskWork) -> Result<(), ExecutorError> {
    let program = work.command.first().map_or("", String::as_str);
    let refuse = |field: &str, problem: String| Err(ExecutorError::refused(field, problem));
    for (field, path) in [("process.command[0]", program), ("process.dir", &work.dir)] {
        let found = std::fs::metadata(path).map_err(|error| error.kind());
        if !path.is_empty() && found.is_err_and(|kind| kind == ErrorKind::NotFound) {
            return refuse(field, format!("{path}: no such file or directory"));
        }
    }
    match Path::new(program).is_dir() {
        true => refuse(
            "process.command[0]",
            format!("{program}: it is a directory"),
        ),
        false => Ok(()),
    }
}

fn check_limits(work: &TaskWork, cgroups: &Cgroups) -> Result<(), ExecutorError> {
    for name in work.ulimits.keys() {
        if limits::resource(name).is_none() {
            let problem = format!("there is no such limit; there are {}", limits::names());
            return Err(ExecutorError::refused(
                format!("process.ulimits[{name:?}]"),
                problem,
            ));
        }
    }
    let wanted = [
        (
            Controller::Cpu,
            "limits.cpu_millis",
            work.limits.cpu_millis > 0,
        ),
        (
            Controller::Memory,
            "limits.memory_bytes",
            work.limits.memory_bytes > 0,
        ),
        (Controller::Pids, "limits.pids", work.limits.pids > 0),
    ];
    for (controller, field, is_wanted) in wanted {
        if is_wanted && !cgroups.has(controller) {
            let problem = format!(
                "this node cannot limit it: the daemon may use no \"{}\" control group",
                controller.name()
            );
            return Err(ExecutorError::refused(field, problem));
        }
    }
    Ok(())
}

/// Who the daemon is.
struct Daemon {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Daemon {
    fn this() -> Self {
        let groups = unistd::getgroups().unwrap_or_default();
        Daemon {
            uid: unistd::geteuid().as_raw(),
            gid: unistd::getegid().as_raw(),
            groups: groups.into_iter().map(Gid::as_raw).collect(),
        }
    }
}

/// Whom a task is to become; none: whoever the daemon is.
fn credentials(
    user: &str,
    groups: &[String],
    daemon: &Daemon,
) -> Result<Option<Credentials>, ExecutorError> {
    if user.is_empty() && groups.is_empty() {
        return Ok(None);
    }
    let mut wanted = main_credentials(user, daemon)?;
    for (at, name) in groups.iter().enumerate() {
        wanted
            .groups
            .push(group(name, &format!("process.groups[{at}]"))?);
    }
    wanted.groups.sort_unstable();
    wanted.groups.dedup();
    if daemon.uid == 0 {
        return Ok(Some(wanted));
    }
    let same = (wanted.uid, wanted.gid) == (daemon.uid, daemon.gid) && groups.is_empty();
    if same {
        return Ok(None);
    }
    let field = if user.is_empty() {
        "process.groups"
    } else {
        "process.user"
    };
    Err(ExecutorError::refused(
        field,
        format!(
            "the daemon runs as user {} and not as root, so it cannot run a task as another user \
             or group; leave the field empty, or run the daemon as root",
            daemon.uid
        ),
    ))
}

/// The user, its main group, and the groups it is in by itself.
fn main_credentials(user: &str, daemon: &Daemon) -> Result<Credentials, ExecutorError> {
    const FIELD: &str = "process.user";
    if user.is_empty() {
        return Ok(Credentials {
            uid: daemon.uid,
            gid: daemon.gid,
            groups: daemon.groups.clone(),
        });
    }
    let (name, group_name) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (user, None),
    };
    let (uid, account) = match name.parse::<u32>() {
        Ok(uid) => (uid, look_up(FIELD, User::from_uid(Uid::from_raw(uid)))?),
        Err(_) => {
            let account = look_up(FIELD, User::from_name(name))?;
            let account = account.ok_or_else(|| {
                ExecutorError::refused(FIELD, format!("there is no user {name:?} on this node"))
            })?;
            (account.uid.as_raw(), Some(account))
        }
    };
    let gid = match (group_name, &account) {
        (Some(name), _) => group(name, FIELD)?,
        (None, Some(account)) => account.gid.as_raw(),
        // A number without an account has no group: the same number is nobody else's, while
        // 0 would be root's.
        (None, None) => uid,
    };
    let groups = account.map_or(Ok(Vec::new()), |account| own_groups(&account.name, gid))?;
    Ok(Credentials { uid, gid, groups })
}

fn own_groups(name: &str, gid: u32) -> Result<Vec<u32>, ExecutorError> {
    let name = CString::new(name).unwrap_or_default();
    let groups = unistd::getgrouplist(&name, Gid::from_raw(gid));
    let failed =
        |errno: nix::Error| ExecutorError::io("cannot read the user's groups", errno.into());
    Ok(groups
        .map_err(failed)?
        .into_iter()
        .map(Gid::as_raw)
        .collect())
}

fn group(name: &str, field: &str) -> Result<u32, ExecutorError> {
    if let Ok(gid) = name.parse::<u32>() {
        return Ok(gid);
    }
    let found = look_up(field, Group::from_name(name))?;
    let missing =
        || ExecutorError::refused(field, format!("there is no group {name:?} on this node"));
    Ok(found.ok_or_else(missing)?.gid.as_raw())
}

fn look_up<T>(field: &str, found: nix::Result<Option<T>>) -> Result<Option<T>, ExecutorError> {
    found.map_err(|errno| {
        ExecutorError::io(
            format!("cannot look up users and groups for {field}"),
            errno.into(),
        )
    })
}

#[cfg(test)]
mod tests;
