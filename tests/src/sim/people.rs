// SPDX-License-Identifier: Apache-2.0
//! What users and watchers do.

use skep_core::admit::Admitted;

use super::agenda::Event;
use super::manager::Waiter;
use super::user::{Answer, PATIENCE, Reply, Request};
use super::world::World;

impl World {
    /// A user asks for something, or asks again.
    pub(crate) fn user_turn(&mut self, place: usize) {
        let user = &mut self.users[place];
        let request = match user.current.clone() {
            Some(request) => request,
            None if self.calm => return,
            None => {
                let state = self.manager.as_ref().map(|manager| &manager.log.state);
                let request = user.wish(place, state, &mut self.dice);
                let id = request.key.id.clone();
                self.note(format_args!("{id} wishes {:?}", request.wish));
                request
            }
        };
        self.agenda
            .put(self.now.after(PATIENCE), Event::UserTurn { user: place });
        // Requests get lost, and some arrive twice.
        let copies = match self.dice.below(20) {
            0 if !self.calm => 0,
            1 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now.after(self.dice.millis(0, 100));
            self.agenda.put(at, Event::Asked(request.clone()));
        }
    }

    /// A request is with the manager.
    pub(crate) fn asked(&mut self, request: Request) {
        let time = self.manager_time();
        let Some(manager) = &self.manager else {
            return;
        };
        let state = &manager.log.state;
        match request.admit(state, time, &mut self.dice) {
            Ok(Ok(Admitted::Change(change, _) | Admitted::Part(change))) => {
                self.propose(change, Waiter::User(request));
                self.manager_acts();
            }
            Ok(Ok(Admitted::AlreadySo(_))) => self.reply(&request, Answer::AlreadySo),
            Ok(Err(answer)) => self.reply(&request, answer),
            Err(rejection) => {
                let answer = Answer::Rejected(format!("{rejection:?}"));
                self.reply(&request, answer);
            }
        }
    }

    pub(crate) fn reply(&mut self, request: &Request, answer: Answer) {
        if !self.calm && self.dice.chance(50) {
            return;
        }
        let reply = Reply {
            user: request.user,
            id: request.key.id.clone(),
            answer,
        };
        let at = self.now.after(self.dice.millis(0, 100));
        self.agenda.put(at, Event::Answered(reply));
    }

    /// An answer is with the user.
    pub(crate) fn answered(&mut self, reply: Reply) {
        let Reply { user, id, answer } = reply;
        if let Some(wrong) = self.oracle.answered(&id, &answer) {
            self.is_wrong(wrong);
        }
        let current = &mut self.users[user].current;
        if current.as_ref().is_none_or(|request| request.key.id != id) {
            return;
        }
        *current = None;
        self.note(format_args!("{id} {answer:?}"));
    }

    pub(crate) fn watcher_turn(&mut self, place: usize) {
        let longest = if self.calm || self.dice.chance(900) {
            600
        } else {
            9_000
        };
        let at = self.now.after(self.dice.millis(1, longest));
        self.agenda.put(at, Event::WatcherTurn { watcher: place });
        let time = self.manager_time();
        if let Some(manager) = &self.manager
            && let Some(wrong) = self.watchers[place].read(manager, &self.oracle, time)
        {
            self.is_wrong(wrong);
        }
    }
}
