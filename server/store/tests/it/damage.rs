// SPDX-License-Identifier: Apache-2.0
//! Damage to the files of a log: what is repaired, what is refused, and with which words.

use std::path::{Path, PathBuf};

use skep_store::OpenError;
use skep_store::fs::{Fs, SimFs};
use skep_store::log::{LogId, Record, Wal};

use crate::log_model::{DIR, Seen, open};

/// A log of several segments, of 60 entries in batches of three, the last of five.
fn sound_log() -> (SimFs, Seen) {
    let fs = SimFs::new(1);
    let (mut wal, _) = open(&fs).expect("new");
    let entry = |index: u64| {
        let id = LogId {
            term: 1,
            node: 1,
            index,
        };
        Record::Entry {
            id,
            payload: vec![index as u8 + 1; 300].into(),
        }
    };
    let push = |wal: &mut Wal, index| wal.push(&entry(index)).expect("taken");
    for index in 0..60 {
        push(&mut wal, index);
        if index % 3 == 2 {
            wal.sync().expect("synced");
        }
    }
    for index in 60..65 {
        push(&mut wal, index);
    }
    wal.sync().expect("synced");
    drop(wal);
    let (_, seen) = open(&fs).expect("sound");
    assert_eq!(seen.entries.len(), 65);
    (fs, seen)
}

fn segments(fs: &SimFs) -> Vec<PathBuf> {
    let dir = Path::new(DIR);
    let names = fs.list(dir).expect("names");
    names.iter().map(|name| dir.join(name)).collect()
}

/// Behind the last byte of a file that is not zero.
fn end_of(content: &[u8]) -> usize {
    content
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

fn damage(fs: &SimFs, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = fs.content(path).expect("content");
    change(&mut content);
    fs.set_content(path, content).expect("damaged");
}

/// What comes of a damage to the last segment.
fn after_damage_to_last(change: impl FnOnce(&mut Vec<u8>)) -> Result<usize, OpenError> {
    let (fs, before) = sound_log();
    let last = segments(&fs).pop().expect("segments");
    damage(&fs, &last, change);
    let (_, seen) = open(&fs)?;
    assert_eq!(
        seen.entries,
        before.entries[..seen.entries.len()],
        "a beginning of what was"
    );
    let (_, again) = open(&fs).expect("once repaired, it is sound");
    assert_eq!(again, seen);
    Ok(seen.entries.len())
}

#[test]
fn a_torn_tail_is_cut() {
    let cut = after_damage_to_last(|file| {
        let end = end_of(file);
        file.truncate(end - 40);
    });
    assert_eq!(cut.expect("a file that ends too early"), 64);

    let zeroed = after_damage_to_last(|file| {
        let end = end_of(file);
        file[end / 512 * 512..].fill(0);
    });
    assert!((60..65).contains(&zeroed.expect("a sector that never came")));

    let hole = after_damage_to_last(|file| {
        let end = end_of(file);
        file[end - 3 * 344..end - 2 * 344].fill(0);
    });
    assert_eq!(hole.expect("a hole within the last batch"), 62);

    let garbage = after_damage_to_last(|file| {
        let end = end_of(file);
        file[end + 100..end + 200].fill(0xee);
    });
    assert_eq!(garbage.expect("garbage behind the end"), 65);

    let flipped = after_damage_to_last(|file| {
        let end = end_of(file);
        file[end - 10] ^= 0x10;
    });
    assert_eq!(flipped.expect("a flipped bit in the last record"), 64);
}

#[test]
fn damage_before_a_later_record_is_refused_with_file_offset_and_cure() {
    let (fs, _) = sound_log();
    let last = segments(&fs).pop().expect("segments");
    let mut broken_at = 0;
    damage(&fs, &last, |file| {
        // The last record before the last batch of five.
        broken_at = end_of(file).next_multiple_of(8) - 6 * 344;
        file[broken_at + 100] ^= 1;
    });
    let error = open(&fs).expect_err("damaged");
    let words = error.to_string();
    let OpenError::Damaged {
        file,
        offset,
        after,
        ..
    } = error
    else {
        panic!("{words}")
    };
    assert_eq!(
        (file, offset, after),
        (last.clone(), broken_at as u64, Some(58))
    );
    for part in [
        &*last.to_string_lossy(),
        &broken_at.to_string(),
        "backup",
        "swarm init",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    open(&fs).expect_err("and nothing was changed");
}

#[test]
fn damage_in_an_earlier_segment_is_refused_wherever_it_is() {
    let (sound, _) = sound_log();
    for path in segments(&sound).iter().rev().skip(1) {
        let content = sound.content(path).expect("content");
        let end = end_of(&content);
        for at in [10, 4096 + 50, (4096 + end) / 2, end - 9, end + 200] {
            if at >= content.len() {
                continue;
            }
            let (fs, _) = sound_log();
            damage(&fs, path, |file| file[at] ^= 1);
            let error = open(&fs).expect_err("damaged");
            assert!(
                matches!(&error, OpenError::Damaged { file, .. } if file == path),
                "{error}"
            );
        }
        // Its last batch is gone as if it had never been written.
        let (fs, _) = sound_log();
        damage(&fs, path, |file| file[end - 344..].fill(0));
        let error = open(&fs).expect_err("the next one knows better");
        assert!(
            matches!(&error, OpenError::Damaged { file, .. } if file == path),
            "{error}"
        );
    }
}

#[test]
fn a_missing_segment_is_named() {
    let (sound, _) = sound_log();
    let paths = segments(&sound);
    assert!(paths.len() >= 4, "{paths:?}");
    for path in &paths[..paths.len() - 1] {
        let (fs, _) = sound_log();
        fs.remove(path).expect("removed");
        let error = open(&fs).expect_err("missing");
        assert!(
            matches!(&error, OpenError::Missing { file, .. } if file == path),
            "{error}"
        );
    }
}

/// Every single bit of a small log: the flip is cut off as a torn tail or refused, and never
/// goes unnoticed, and never panics.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    let (fs, before) = sound_log();
    let paths = segments(&fs);
    for path in [&paths[0], paths.last().expect("segments")] {
        let content = fs.content(path).expect("content");
        let end = end_of(&content);
        for at in (0..end).step_by(7) {
            let mut damaged = content.clone();
            damaged[at] ^= 1 << (at % 8);
            fs.set_content(path, damaged).expect("damaged");
            match open(&fs) {
                Err(OpenError::Damaged { file, .. }) => assert_eq!(&file, path),
                Err(error) => panic!("{error}"),
                Ok((_, seen)) => {
                    assert_eq!(path, paths.last().expect("segments"), "byte {at}");
                    assert!(
                        seen.entries.len() < 65 && seen.entries.len() >= 60,
                        "byte {at}"
                    );
                    assert_eq!(seen.entries, before.entries[..seen.entries.len()]);
                }
            }
            fs.set_content(path, content.clone()).expect("healed");
        }
    }
}

#[test]
fn segments_of_purged_entries_go_and_one_that_comes_back_does_no_harm() {
    let (fs, before) = sound_log();
    let old = segments(&fs);
    let contents: Vec<Vec<u8>> = old
        .iter()
        .map(|path| fs.content(path).expect("content"))
        .collect();
    let (mut wal, _) = open(&fs).expect("sound");
    wal.push(&Record::Purge(before.entries[60].0))
        .expect("taken");
    wal.sync().expect("synced");
    let left = segments(&fs);
    assert!(
        left.len() < old.len() && left.iter().all(|path| old.contains(path)),
        "{left:?}"
    );
    drop(wal);
    // The removal of the first one did not reach the disk, that of the second did.
    let file = fs
        .open(&old[0], skep_store::fs::OpenMode::CreateNew)
        .expect("back");
    file.write_at(0, &contents[0]).expect("written");
    let (_, seen) = open(&fs).expect("sound");
    assert_eq!(seen.entries, before.entries[61..]);
    assert_eq!(segments(&fs), left);
}
