//! Lines for whoever reads the run's log.
//!
//! A message as in [`format!`], then, after a semicolon, fields that can be searched; their values are
//! anything serde can write.
//!
//! ```
//! use fusebox_sdk::log;
//!
//! let (guests, table) = (4, "window");
//! log::info!("seated {guests} at the {table}"; guests = guests, table = table);
//! log::warn!("the {} is full", "terrace");
//! ```
//!
//! A component imports the host's `fusebox:action/log` only when it uses one of these macros. The log of
//! an attempt is bounded in bytes; past the bound the attempt ends with `output_limit`. Natively the lines
//! go to [`testing`](crate::testing), and outside of it to the standard error stream.

use std::fmt;

use serde::Serialize;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps to find a bug.
    Debug,
    /// The life of the action.
    Info,
    /// Something is off, and the action went on.
    Warn,
    /// Someone must act.
    Error,
}

#[doc(hidden)]
pub fn __write(level: Level, message: fmt::Arguments<'_>, fields: Vec<(String, String)>) {
    let message = message.to_string();
    #[cfg(target_family = "wasm")]
    {
        use crate::bindings::fusebox::action::log as host;
        let level = match level {
            Level::Trace => host::Level::Trace,
            Level::Debug => host::Level::Debug,
            Level::Info => host::Level::Info,
            Level::Warn => host::Level::Warn,
            Level::Error => host::Level::Error,
        };
        host::write(level, &message, &fields);
    }
    #[cfg(not(target_family = "wasm"))]
    crate::testing::world::record(crate::testing::Line { level, message, fields });
}

#[doc(hidden)]
pub fn __field<T: Serialize>(name: &str, value: &T) -> (String, String) {
    // A log line is no place to fail: a value that JSON cannot say is left out.
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    (name.to_owned(), json)
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $format:literal $(, $argument:expr)* $(,)?) => {
        $crate::log::__write(
            $crate::log::Level::$level,
            ::core::format_args!($format $(, $argument)*),
            ::std::vec::Vec::new(),
        )
    };
    ($level:ident, $format:literal $(, $argument:expr)* ; $($name:ident = $value:expr),+ $(,)?) => {
        $crate::log::__write(
            $crate::log::Level::$level,
            ::core::format_args!($format $(, $argument)*),
            ::std::vec![$($crate::log::__field(::core::stringify!($name), &$value)),+],
        )
    };
}

macro_rules! levels {
    ($($hidden:ident $name:ident $level:ident $doc:literal;)*) => {
        levels!{@ ($) $($hidden $name $level $doc;)*}
    };
    (@ ($dollar:tt) $($hidden:ident $name:ident $level:ident $doc:literal;)*) => {$(
        #[doc = $doc]
        #[doc = ""]
        #[doc = "Syntax: `(\"format\", arguments…; field = value, …)`, see [`log`](mod@crate::log)."]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $hidden {
            ($dollar($dollar line:tt)+) => { $crate::__log!($level, $dollar($dollar line)+) };
        }
        #[doc(inline)]
        pub use $hidden as $name;
    )*};
}

levels! {
    __log_trace trace Trace "Logs every step.";
    __log_debug debug Debug "Logs what helps to find a bug.";
    __log_info info Info "Logs the life of the action.";
    __log_warn warn Warn "Logs that something is off, and the action goes on.";
    __log_error error Error "Logs that someone must act.";
}
