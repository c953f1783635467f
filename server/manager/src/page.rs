// SPDX-License-Identifier: Apache-2.0
//! Pages of a listing, all at the revision of the first one, whichever manager serves them.

use prost::Message;
use sha2::{Digest, Sha256};
use skep_core::model::Revision;
use skep_core::state::State;
use skep_proto::v1;
use skep_wire::parse::Fields;

use crate::call::Call;
use crate::error::Failure;
use crate::member::Manager;
use crate::read::{Freshness, freshness};

/// Objects on a page unless the request says otherwise.
const SIZE_DEFAULT: usize = 100;
/// Most objects on a page.
const SIZE_MAX: u32 = 1_000;
/// Most bytes of a page, which holds at least one object.
const PAGE_BYTES_MAX: usize = 3 << 20;
/// Most characters of a token.
const TOKEN_CHARS_MAX: usize = 1_024;
/// What a token begins with; another layout begins with another byte.
const TOKEN_VERSION: u8 = 1;
const TAG_BYTES: usize = 16;
const TOKEN_BYTES: usize = 1 + 8 + 16 + TAG_BYTES;

/// Which page of what a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct PageRequest {
    size: usize,
    start: Start,
    /// What tells the query from others: the kind of object and the filter.
    query: [u8; 32],
}

#[derive(Clone, Debug)]
enum Start {
    First(Freshness),
    Next(String),
}

/// Where a page begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    revision: Revision,
    /// The last object of the page before.
    after: u128,
}

impl PageRequest {
    /// Takes the fields of a request for what they say. `kind` and `filter` tell one query from
    /// another.
    pub(crate) fn parse(
        fields: &mut Fields,
        kind: &str,
        filter: Option<&impl Message>,
        (page_size, page_token): (u32, &str),
        consistency: Option<v1::Consistency>,
    ) -> PageRequest {
        fields.range("page_size", page_size.into(), 0, SIZE_MAX.into());
        fields.length("page_token", page_token, 0, TOKEN_CHARS_MAX);
        if !page_token.is_empty() && consistency.is_some() {
            fields.wrong(
                "consistency",
                "is refused with a page_token, which fixes it",
            );
        }
        let freshness = freshness(fields, consistency);
        let start = match page_token {
            "" => Start::First(freshness),
            token => Start::Next(token.to_owned()),
        };
        let mut hash = Sha256::new();
        hash.update(kind.as_bytes());
        hash.update([0]);
        hash.update(filter.map(Message::encode_to_vec).unwrap_or_default());
        PageRequest {
            size: match page_size {
                0 => SIZE_DEFAULT,
                size => size as usize,
            },
            start,
            query: hash.finalize().into(),
        }
    }
}

/// A page that is being filled.
pub(crate) struct Page {
    /// The objects at the revision of the listing; see [`skep_core::state::History::objects_at`]
    /// for what is right in it.
    pub(crate) state: State,
    /// The last object of the page before.
    pub(crate) after: Option<u128>,
    size: usize,
    query: [u8; 32],
}

/// A page as it is sent.
pub(crate) struct Listing<M> {
    pub(crate) objects: Vec<M>,
    pub(crate) next_page_token: String,
    pub(crate) revision: u64,
}

impl Manager {
    /// The state that a page shows.
    pub(crate) async fn page(&self, request: PageRequest, call: &Call) -> Result<Page, Failure> {
        let PageRequest { size, start, query } = request;
        let (state, after) = match start {
            Start::First(freshness) => (self.read(freshness, call).await?, None),
            Start::Next(token) => {
                let place = Place::decode(&token, &query).ok_or(Failure::BadPageToken)?;
                (self.past(place.revision, call).await?, Some(place.after))
            }
        };
        Ok(Page {
            state,
            after,
            size,
            query,
        })
    }

    /// The objects as they were at a revision that some manager gave out.
    async fn past(&self, revision: Revision, call: &Call) -> Result<State, Failure> {
        if self.cluster.view().revision() < revision {
            let newest = self.read_index(call).await?;
            if newest < revision {
                return Err(Failure::UnknownRevision(newest));
            }
            self.wait_for(revision, call).await?;
        }
        self.cluster.look(|source| {
            let history = source.history;
            let past = history.objects_at(source.state, revision);
            past.ok_or(Failure::Compacted(history.compacted()))
        })
    }
}

impl Page {
    /// Fills the page with objects in the order of their ids, all of which come after those of
    /// the page before, until it is full.
    pub(crate) fn fill<T, M: Message>(
        &self,
        objects: impl Iterator<Item = (u128, T)>,
        render: impl Fn(T) -> M,
    ) -> Listing<M> {
        let mut listing = Listing {
            objects: Vec::new(),
            next_page_token: String::new(),
            revision: self.state.revision().0,
        };
        let mut bytes = 0;
        let mut last = 0;
        for (id, object) in objects {
            if listing.objects.len() == self.size {
                listing.next_page_token = self.token_after(last);
                break;
            }
            let message = render(object);
            bytes += message.encoded_len();
            if bytes > PAGE_BYTES_MAX && !listing.objects.is_empty() {
                listing.next_page_token = self.token_after(last);
                break;
            }
            listing.objects.push(message);
            last = id;
        }
        listing
    }

    fn token_after(&self, after: u128) -> String {
        let revision = self.state.revision();
        Place { revision, after }.encode(&self.query)
    }
}

impl Place {
    fn encode(self, query: &[u8; 32]) -> String {
        let mut bytes = self.body();
        bytes.extend(self.tag(query));
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn decode(token: &str, query: &[u8; 32]) -> Option<Place> {
        let bytes = from_hex(token).filter(|bytes| bytes.len() == TOKEN_BYTES)?;
        let place = Place {
            revision: Revision(u64::from_be_bytes(bytes[1..9].try_into().ok()?)),
            after: u128::from_be_bytes(bytes[9..25].try_into().ok()?),
        };
        let (body, tag) = bytes.split_at(TOKEN_BYTES - TAG_BYTES);
        (body == place.body() && tag == place.tag(query)).then_some(place)
    }

    fn body(self) -> Vec<u8> {
        let mut bytes = vec![TOKEN_VERSION];
        bytes.extend(self.revision.0.to_be_bytes());
        bytes.extend(self.after.to_be_bytes());
        bytes
    }

    /// Finds out damage, and another query; it keeps nothing secret.
    fn tag(self, query: &[u8; 32]) -> [u8; TAG_BYTES] {
        let mut hash = Sha256::new();
        hash.update(self.body());
        hash.update(query);
        let digest: [u8; 32] = hash.finalize().into();
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&digest[..TAG_BYTES]);
        tag
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let byte = |place: usize| u8::from_str_radix(&text[place..place + 2], 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_query_alone_and_shows_damage() {
        let place = Place {
            revision: Revision(77),
            after: u128::MAX / 3,
        };
        let token = place.encode(&[1; 32]);
        assert_eq!(Place::decode(&token, &[1; 32]), Some(place));
        assert_eq!(Place::decode(&token, &[2; 32]), None);
        assert_eq!(Place::decode("", &[1; 32]), None);
        assert_eq!(Place::decode("zz", &[1; 32]), None);
        assert_eq!(Place::decode("ä", &[1; 32]), None);
        for place in 0..token.len() {
            let mut damaged = token.clone().into_bytes();
            damaged[place] = if damaged[place] == b'0' { b'1' } else { b'0' };
            let damaged = String::from_utf8(damaged).expect("still ASCII");
            assert_eq!(Place::decode(&damaged, &[1; 32]), None, "{place}");
        }
        assert_eq!(Place::decode(&token[2..], &[1; 32]), None);
    }
}
