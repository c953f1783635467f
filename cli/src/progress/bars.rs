// SPDX-License-Identifier: Apache-2.0
//! Bars that are drawn over and over, as Docker draws them.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use skep_sdk::{Object, View};

use super::Picture;
use super::follow::{Goal, Phase};
use super::picture::{FULL, Place};

/// Width of a bar.
const BAR_WIDTH: usize = 50;

/// With more places than this only the sentence on all of them is shown.
const MAX_PLACES: usize = 20;

/// Lines on a terminal.
pub(super) struct Bars {
    goal: Goal,
    revision: u64,
    settling: String,
    screen: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Bars {
    /// Nothing is drawn yet. `settling` stands below while all is as wanted.
    pub(super) fn new(goal: Goal, revision: u64, settling: String) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            goal,
            revision,
            settling,
            screen,
            lines: Vec::new(),
        }
    }

    /// Draws what is seen.
    pub(super) fn show(&mut self, view: &View<Object>, phase: Phase) {
        let picture = Picture::of(view, self.goal, self.revision);
        if picture.overall.is_empty() {
            return;
        }
        let mut texts = texts(&picture);
        if phase == Phase::Settling {
            texts.push(self.settling.clone());
        }
        while self.lines.len() < texts.len() {
            let line = self.screen.add(ProgressBar::no_length());
            line.set_style(
                ProgressStyle::with_template("{wide_msg}").expect("a template of one field"),
            );
            self.lines.push(line);
        }
        for line in self.lines.drain(texts.len()..) {
            self.screen.remove(&line);
        }
        for (line, text) in self.lines.iter().zip(texts) {
            line.set_message(text);
        }
    }

    /// Leaves the last picture on the terminal.
    pub(super) fn end(&mut self) {
        self.lines.drain(..).for_each(|line| line.abandon());
    }
}

/// The lines of a picture.
fn texts(picture: &Picture) -> Vec<String> {
    let mut texts = vec![picture.overall.clone()];
    if picture.places.len() <= MAX_PLACES {
        texts.extend(picture.places.iter().map(text));
    }
    texts
}

/// `1/3: running   [====>   ]`; trouble stands in place of the bar.
fn text(place: &Place) -> String {
    let Place {
        key,
        word,
        steps,
        trouble,
        ..
    } = place;
    if !trouble.is_empty() {
        return format!("{key}: {word:<9} {trouble}");
    }
    if *steps == 0 {
        return format!("{key}: {word}");
    }
    let filled = usize::from(*steps) * BAR_WIDTH / usize::from(FULL);
    let bar = format!("{}>", "=".repeat(filled));
    format!("{key}: {word:<9} [{bar:<width$}]", width = BAR_WIDTH + 1)
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::{GOAL, made_at, view};
    use super::*;
    use crate::sample;
    use skep_sdk::v1::TaskState;

    #[test]
    fn bars_are_dockers() {
        let tasks = [
            made_at(13, sample::task(1, 1)),
            made_at(13, sample::task_in(2, 2, TaskState::Starting, "")),
            made_at(13, sample::pending_task(3, 3)),
        ];
        let lines = texts(&Picture::of(&view(&tasks), GOAL, 12));
        crate::golden::check("progress-bars.txt", &(lines.join("\n") + "\n"));
    }

    #[test]
    fn many_places_are_one_sentence() {
        let tasks: Vec<_> = (1..=21).map(|n| sample::task(n, n)).collect();
        assert_eq!(texts(&Picture::of(&view(&tasks), GOAL, 12)).len(), 1);
    }

    #[test]
    fn drawing_follows_the_places() {
        let mut bars = Bars::new(GOAL, 12, "verify: wait".to_owned());
        bars.screen.set_draw_target(ProgressDrawTarget::hidden());
        let two = view(&[sample::task(1, 1), sample::task(2, 2)]);
        bars.show(&two, Phase::Moving);
        assert_eq!(bars.lines.len(), 3);
        bars.show(&two, Phase::Settling);
        assert_eq!(bars.lines.len(), 4);
        assert_eq!(bars.lines[3].message(), "verify: wait");
        bars.show(&view(&[sample::task(1, 1)]), Phase::Moving);
        assert_eq!(bars.lines.len(), 2);
        bars.end();
    }
}
