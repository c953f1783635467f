// SPDX-License-Identifier: Apache-2.0
//! What is resolved, and what is refused by name.

use super::*;
use crate::executor::{Limits, Ulimit};
use skep_core::model::TaskId;

fn work() -> TaskWork {
    TaskWork {
        task: TaskId(9),
        command: vec!["/bin/true".into()],
        ..TaskWork::default()
    }
}

fn told(work: TaskWork) -> String {
    match spec(work, &Cgroups::none(), LogLimits::default()) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    }
}

const ROOT: Daemon = Daemon {
    uid: 0,
    gid: 0,
    groups: Vec::new(),
};

fn whom(user: &str, groups: &[&str], daemon: &Daemon) -> Result<Option<Credentials>, String> {
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    credentials(user, &groups, daemon).map_err(|error| error.to_string())
}

#[test]
fn the_environment_is_marked_and_has_a_path() {
    let mut given = work();
    given.env.insert(TASK_ID.into(), "a lie".into());
    let made = spec(given, &Cgroups::none(), LogLimits::default()).expect("a spec");
    assert_eq!(made.work.env[TASK_ID], TaskId(9).to_string());
    assert_eq!(made.work.env["PATH"], PATH);

    let mut given = work();
    given.env.insert("PATH".into(), "/opt".into());
    let made = spec(given, &Cgroups::none(), LogLimits::default()).expect("a spec");
    assert_eq!(made.work.env["PATH"], "/opt");
}

#[test]
fn texts_that_no_program_can_get_are_refused_by_field() {
    assert_eq!(told(work()), "fine");
    let command = |command: &[&str]| TaskWork {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        ..work()
    };
    assert_eq!(
        told(command(&[])),
        "it names no program (field process.command)"
    );
    let want = "ls: give the program's absolute path (field process.command[0])";
    assert_eq!(told(command(&["ls"])), want);
    assert!(told(command(&["/a", "b\0"])).ends_with("(field process.command[1])"));
    let env = |key: &str, value: &str| TaskWork {
        env: [(key.to_owned(), value.to_owned())].into(),
        ..work()
    };
    assert!(told(env("A=B", "")).contains("\"A=B\" cannot be a variable's name"));
    assert!(told(env("A", "\0")).ends_with("(field process.env[\"A\"])"));
    let dir = TaskWork {
        dir: "here".into(),
        ..work()
    };
    assert_eq!(told(dir), "here: give an absolute path (field process.dir)");
}

#[test]
fn limits_that_would_not_hold_are_refused() {
    let limits = Limits {
        memory_bytes: 1 << 30,
        ..Limits::default()
    };
    let told_so = told(TaskWork { limits, ..work() });
    assert!(told_so.contains("\"memory\" control group (field limits.memory_bytes)"));
    let ulimit = Ulimit { soft: 1, hard: 1 };
    let ulimits = [("files".to_owned(), ulimit)].into();
    let told_so = told(TaskWork { ulimits, ..work() });
    assert!(
        told_so.starts_with("there is no such limit; there are as, core"),
        "{told_so}"
    );
    assert!(
        told_so.ends_with("(field process.ulimits[\"files\"])"),
        "{told_so}"
    );
}

#[test]
fn users_and_groups_go_by_name_and_number() {
    assert_eq!(whom("", &[], &ROOT), Ok(None));
    let numbers = whom("4000111:7", &["9", "8", "9"], &ROOT).expect("credentials");
    assert_eq!(
        numbers,
        Some(Credentials {
            uid: 4_000_111,
            gid: 7,
            groups: vec![8, 9]
        })
    );
    let alone = whom("4000111", &[], &ROOT)
        .expect("credentials")
        .expect("some");
    assert_eq!(alone.gid, 4_000_111, "not root's group");
    let root = whom("root", &["root"], &ROOT)
        .expect("credentials")
        .expect("some");
    assert_eq!((root.uid, root.gid), (0, 0));
    let only_groups = whom("", &["55"], &ROOT)
        .expect("credentials")
        .expect("some");
    assert_eq!((only_groups.uid, only_groups.groups), (0, vec![55]));
}

#[test]
fn unknown_names_are_refused() {
    let want = "there is no user \"no-such-user\" on this node (field process.user)";
    assert_eq!(whom("no-such-user", &[], &ROOT), Err(want.to_owned()));
    let want = "there is no group \"no-such-group\" on this node (field process.user)";
    assert_eq!(whom("root:no-such-group", &[], &ROOT), Err(want.to_owned()));
    let want = "there is no group \"nope\" on this node (field process.groups[1])";
    assert_eq!(whom("root", &["0", "nope"], &ROOT), Err(want.to_owned()));
}

#[test]
fn only_root_can_become_somebody_else() {
    let daemon = Daemon {
        uid: 4_000_111,
        gid: 4_000_111,
        groups: vec![],
    };
    assert_eq!(whom("4000111", &[], &daemon), Ok(None), "that is who it is");
    let refused = whom("root", &[], &daemon).expect_err("not root");
    assert!(
        refused.contains("runs as user 4000111 and not as root"),
        "{refused}"
    );
    assert!(refused.ends_with("(field process.user)"), "{refused}");
    let refused = whom("", &["5"], &daemon).expect_err("not root");
    assert!(refused.ends_with("(field process.groups)"), "{refused}");
}
