//! Who is signed in: a session per login, in memory. It has no rights of its own: at each request the token behind it is
//! looked up as it is then, so a session ends with its token.

use crate::api::Api;
use crate::domain::{Entropy, Minute, Timestamp, Token, TokenHash};
use axum::http::{HeaderMap, header};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sessions open at once; the one that was unused longest makes room.
const SESSIONS_MAX: usize = 10_000;
/// Sessions of one token, so that whoever has it cannot sign out everybody else.
const SESSIONS_OF_TOKEN_MAX: usize = 100;
/// A session that is not used for so long is over.
const UNUSED_MAX_MS: u64 = 12 * 3_600_000;
/// However much it is used.
const AGE_MAX_MS: u64 = 7 * 24 * 3_600_000;
/// Wrong tokens in a minute, from wherever, before no more of them are looked into.
const WRONG_MAX: u64 = 20;

pub(super) const COOKIE: &str = "fusebox_session";

/// What the doors to the console are kept with; clones share it.
#[derive(Clone)]
pub(super) struct Doors(Arc<Inside>);

struct Inside {
    api: Api,
    sessions: Mutex<HashMap<TokenHash, Kept>>,
    wrong: Mutex<Minute>,
}

/// By the hash of what its cookie says.
struct Kept {
    token: TokenHash,
    csrf: Arc<str>,
    opened: Timestamp,
    used: Timestamp,
}

/// A session that is open.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) token: Arc<Token>,
    /// What its forms prove with that they are its own.
    pub(super) csrf: Arc<str>,
}

impl Doors {
    pub(super) fn new(api: Api) -> Doors {
        let wrong = Mutex::new(Minute::beginning(api.now()));
        Doors(Arc::new(Inside { api, sessions: Mutex::default(), wrong }))
    }

    pub(super) fn api(&self) -> &Api {
        &self.0.api
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Kept>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session for whoever brought this token; gives what its cookie says.
    pub(super) fn open(&self, token: TokenHash) -> String {
        let (now, entropy) = (self.api().now(), self.api().entropy());
        let (said, csrf) = (text(entropy), text(entropy).into());
        let mut sessions = self.lock();
        sessions.retain(|_, kept| !kept.is_over(now));
        let of_token = |kept: &Kept| kept.token == token;
        if sessions.values().filter(|kept| of_token(kept)).count() >= SESSIONS_OF_TOKEN_MAX {
            forget_oldest(&mut sessions, of_token);
        } else if sessions.len() >= SESSIONS_MAX {
            forget_oldest(&mut sessions, |_| true);
        }
        sessions.insert(TokenHash::of(&said), Kept { token, csrf, opened: now, used: now });
        said
    }

    /// The session that a request belongs to, if it still is one.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let (key, now) = (TokenHash::of(cookie(headers, COOKIE)?), self.api().now());
        let mut sessions = self.lock();
        let kept = sessions.get_mut(&key)?;
        let token = crate::api::auth::signed_in(self.api(), &kept.token).ok().filter(|_| !kept.is_over(now));
        let Some(token) = token else {
            sessions.remove(&key);
            return None;
        };
        kept.used = now;
        Some(Session { token, csrf: Arc::clone(&kept.csrf) })
    }

    pub(super) fn close(&self, headers: &HeaderMap) {
        if let Some(said) = cookie(headers, COOKIE) {
            self.lock().remove(&TokenHash::of(said));
        }
    }

    /// Counts a wrong token. Past so many in a minute: the seconds after which one is looked into again. Who brings a right
    /// one always gets in, or anybody could keep everybody out; that 256 bits are not guessed needs no count.
    pub(super) fn count_wrong(&self) -> Option<u64> {
        let now = self.api().now();
        let mut wrong = self.0.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.is_over(now) {
            *wrong = Minute::beginning(now);
        }
        wrong.count += 1;
        (wrong.count > WRONG_MAX).then(|| wrong.left_ms(now).div_ceil(1_000).max(1))
    }
}

impl Kept {
    fn is_over(&self, now: Timestamp) -> bool {
        now.ms_since(self.used) >= UNUSED_MAX_MS || now.ms_since(self.opened) >= AGE_MAX_MS
    }
}

fn forget_oldest(sessions: &mut HashMap<TokenHash, Kept>, of: impl Fn(&Kept) -> bool) {
    let oldest = sessions.iter().filter(|(_, kept)| of(kept)).min_by_key(|(_, kept)| kept.used);
    if let Some(key) = oldest.map(|(key, _)| *key) {
        sessions.remove(&key);
    }
}

fn text(entropy: &Entropy) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&entropy.bytes())
}

/// What a cookie says.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}
