//! A catalogue as files of a folder: `apply`, `diff` and `export` share what they are.
//!
//! Any `.yaml`, `.yml` or `.json` file in the folder or below has lists of things, one list for each kind, and all files
//! together are one document (`POST /apply`). So it is up to whoever writes them whether a file has one thing or many.
//! YAML, because people write and review them: with comments, nested schemas without noise, and `null`, which TOML lacks.

mod find;
mod place;
mod read;
mod report;
mod send;
mod write;

pub(super) use place::Refused;
pub(super) use read::Files;
pub(super) use report::show;
pub(super) use send::{Ending, Job, send};
pub(super) use write::write;
