//! What the platform lets a tenant do.

use super::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

/// The record of a tenant. One without a record may do what the defaults say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: TenantId,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Switched off, its tokens are refused and nothing new of it runs.
    pub enabled: bool,
    #[serde(default)]
    pub quotas: Quotas,
    /// Days for which its history is kept; `None` leaves it to the server's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Counts changes, starting at 1; the entity tag of the API.
    pub version: u64,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_by: String,
    pub updated_at: Timestamp,
}

impl Tenant {
    /// As nobody has said anything about it.
    pub fn new(id: TenantId, (by, at): (&str, Timestamp)) -> Tenant {
        Tenant {
            id,
            name: String::new(),
            description: String::new(),
            enabled: true,
            quotas: Quotas::default(),
            retention_days: None,
            version: 1,
            created_by: by.to_owned(),
            created_at: at,
            updated_by: by.to_owned(),
            updated_at: at,
        }
    }
}

macro_rules! quotas {
    ($($(#[doc = $what:literal])? $kind:ident $name:ident $usual:literal),* $(,)?) => {
        /// How much a tenant may have of what many share. What is `None` is bounded all the same: by the server's settings,
        /// or by [`Counted::usual`].
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Quotas {
            /// Events from outside that are accepted in one minute.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub events_per_minute: Option<u64>,
            /// Events that wait for a permit or for their time, or are held.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub queued_events: Option<u64>,
            /// Runs at once; more wait.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub concurrent_runs: Option<u32>,
            /// Bytes of keys and values that its actions keep, all together.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub kv_bytes: Option<u64>,
            $(
                $(#[doc = $what])?
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<u64>,
            )*
        }

        /// What of the catalogue is counted for each tenant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Counted {
            $($kind),*
        }

        impl Counted {
            pub const ALL: &[Counted] = &[$(Counted::$kind),*];

            /// As the quota is called.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Counted::$kind => stringify!($name)),*
                }
            }

            /// How much a tenant may have whose record does not say otherwise: more than most need, and less than the
            /// catalogue holds, so that one tenant alone does not fill it.
            pub const fn usual(self) -> u64 {
                match self {
                    $(Counted::$kind => $usual),*
                }
            }
        }

        impl Quotas {
            pub fn of(&self, counted: Counted) -> u64 {
                let own = match counted {
                    $(Counted::$kind => self.$name),*
                };
                own.unwrap_or(counted.usual())
            }
        }
    };
}

quotas! {
    Modules modules 1_000,
    /// Of all its modules.
    ModuleBytes module_bytes 4_294_967_296,
    Actions actions 100_000,
    EventTypes event_types 10_000,
    Objects objects 500_000,
    Attachments attachments 500_000,
    Tokens tokens 1_000,
    SourceTypes source_types 1_000,
    Sources sources 10_000,
    SinkTypes sink_types 1_000,
    Schedules schedules 10_000,
    Secrets secrets 10_000,
}

impl Quotas {
    /// A thousand a second: what one tenant needs for long is for the platform to say.
    pub const USUAL_EVENTS_PER_MINUTE: u64 = 60_000;

    /// What 64 actions keep that keep all they may.
    pub const USUAL_KV_BYTES: u64 = 1 << 30;
    /// How the quota of kept values is called.
    pub const KV_BYTES: &str = "kv_bytes";

    pub fn events_per_minute(&self) -> u64 {
        self.events_per_minute.unwrap_or(Quotas::USUAL_EVENTS_PER_MINUTE)
    }

    pub fn kv_bytes(&self) -> u64 {
        self.kv_bytes.unwrap_or(Quotas::USUAL_KV_BYTES)
    }
}

/// A quota that leaves no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is more than the tenant's quota `{quota}` lets it have: {used} of {limit} are used")]
pub struct QuotaExceeded {
    /// As its field is called.
    pub quota: &'static str,
    pub limit: u64,
    pub used: u64,
}
