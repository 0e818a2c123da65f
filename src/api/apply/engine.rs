//! From a document to a draft that has what it says.
//!
//! Things name each other, so an order in which each comes after what it names need not exist. What fails is tried again
//! as long as anything else gets through; where that ends, event types are made with nothing but their name first.

use super::document::{Document, Item};
use super::kind::{At, Key, Kind, Thing};
use super::{AppliedOut, ChangeOut, FieldOut, How};
use crate::api::Api;
use crate::api::auth::{Caller, Write};
use crate::api::draft::Draft;
use crate::api::error::{Fault, Problem};
use crate::api::page::Data;
use crate::dispatch::Sealing;
use crate::domain::{Kind as GuestKind, Module, ModuleNaming, ModuleRef, TenantId};
use crate::store::{Change, Transition};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often everything that failed is tried again. Objects may lie 32 levels deep, each after the one above it.
const ROUNDS_MAX: usize = 40;

/// What there was before, by kind and key.
type Before = BTreeMap<(Kind, Key), Thing>;

/// What a document makes of a catalogue.
pub(super) struct Done {
    changes: Vec<ChangeOut>,
    unchanged: usize,
    warnings: Vec<String>,
}

impl Done {
    /// As it is told when nothing came of it: tokens that nobody has are none.
    pub(super) fn without_tokens(mut self) -> Done {
        self.changes.iter_mut().for_each(|change| change.token = None);
        self
    }

    pub(super) fn into_answer(self, applied: bool) -> Data<AppliedOut> {
        let count = |how: How| self.changes.iter().filter(|change| change.change == how).count();
        let (created, changed, deleted) = (count(How::Create), count(How::Change), count(How::Delete));
        let Done { changes, unchanged, warnings } = self;
        let answer = Data::ok(AppliedOut { applied, created, changed, deleted, unchanged, changes });
        warnings.into_iter().fold(answer, |answer, warning| answer.warning(Some(warning)))
    }
}

/// Makes of the draft behind `api` what the document says; with `prune`, without what it does not have.
pub(super) async fn run(
    api: &Api,
    caller: &Caller<Write>,
    (owner, sealing, prune): (&TenantId, Option<&Sealing<'_>>, bool),
    document: &Document,
) -> Result<Done, Problem> {
    let Some(draft) = api.draft() else { return Err(Problem::bad_request("there is no draft to work on")) };
    let catalogue = api.catalogue();
    let before = Kind::ALL.into_iter().flat_map(|kind| {
        let things = kind.all(api, &catalogue, owner);
        things.into_iter().map(move |(key, thing)| ((kind, key), thing))
    });
    let engine = Engine { at: At { api, caller, owner, sealing }, draft, before: before.collect() };
    engine.expect_uploads(document)?;
    let mut done = engine.put_all(&document.items).await?;
    if prune {
        engine.delete_others(document, &mut done).await?;
    }
    Ok(done)
}

struct Engine<'a> {
    at: At<'a>,
    draft: &'a Draft,
    before: Before,
}

/// What became of one thing.
type Put = Result<(Option<ChangeOut>, Vec<String>), Vec<Fault>>;

impl Engine<'_> {
    /// Puts what will be uploaded where it will be, as far as anybody asks.
    fn expect_uploads(&self, document: &Document) -> Result<(), Problem> {
        for (place, upload) in document.uploads.iter().enumerate() {
            let pointer = format!("/uploads/{place}");
            let name = upload.name.as_deref().map(str::parse::<ModuleRef>).transpose();
            let name = name.map_err(|error| Problem::invalid(vec![Fault::new(format!("{pointer}/name"), error)]))?;
            let since = self.at.api.now();
            let names = match name {
                Some(ModuleRef::Version(name)) => vec![ModuleNaming { name, since }],
                _ => Vec::new(),
            };
            let known = self.at.api.catalogue().module(self.at.owner, &ModuleRef::Digest(upload.digest)).cloned();
            let mut module = known.filter(|known| known.owner_id == *self.at.owner).map_or_else(
                || Module {
                    digest: upload.digest,
                    owner_id: self.at.owner.clone(),
                    kind: GuestKind::Action,
                    size_bytes: 0,
                    imports: Vec::new(),
                    exports: Vec::new(),
                    wrapped: None,
                    names: Vec::new(),
                    created_at: since,
                    created_by: self.at.caller.name().to_owned(),
                },
                |known| known.as_ref().clone(),
            );
            module.names.extend(names);
            let put = Transition::of([Change::PutModule(Arc::new(module), Bytes::new())]);
            let put = self.draft.apply(put).map_err(Problem::from);
            put.map_err(|problem| Problem::invalid(vec![Fault::new(pointer, problem.detail())]))?;
        }
        Ok(())
    }

    async fn put_all(&self, items: &[Item]) -> Result<Done, Problem> {
        let mut done = Done { changes: Vec::new(), unchanged: 0, warnings: Vec::new() };
        let mut made: Vec<(usize, ChangeOut)> = Vec::new();
        let mut waiting: Vec<usize> = (0..items.len()).collect();
        let mut faults: BTreeMap<usize, Vec<Fault>> = BTreeMap::new();
        let mut stood_in = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let before = waiting.len();
            let mut failed = Vec::new();
            for place in std::mem::take(&mut waiting) {
                match self.put(&items[place]).await {
                    Ok((change, warnings)) => {
                        done.unchanged += usize::from(change.is_none());
                        made.extend(change.map(|change| (place, change)));
                        done.warnings.extend(warnings);
                        faults.remove(&place);
                    }
                    Err(found) => {
                        faults.insert(place, found);
                        failed.push(place);
                    }
                }
                // There may be many, and this is one request of many.
                tokio::task::yield_now().await;
            }
            waiting = failed;
            if waiting.is_empty() || (waiting.len() == before && !self.stand_in(items, &waiting, &mut stood_in).await) {
                break;
            }
        }
        if !waiting.is_empty() {
            return Err(Problem::document(first_causes(items, faults)));
        }
        made.sort_by_key(|(place, _)| *place);
        done.changes = made.into_iter().map(|(_, change)| change).collect();
        Ok(done)
    }

    /// Makes one thing, and takes that back when it was like that already.
    async fn put(&self, item: &Item) -> Put {
        let mark = self.draft.mark();
        let put = item.kind.put(self.at, item.body.clone()).await;
        let made = put.map_err(|problem| {
            self.draft.go_back(mark.clone());
            let faults = problem.into_faults().into_iter();
            faults.map(|fault| fault.under(&item.pointer)).collect::<Vec<Fault>>()
        })?;
        let fields = |before: &Thing| differing(&before.body, &made.body);
        let change = |change, fields| {
            let (kind, name) = (item.kind.field(), item.name.clone());
            Ok((Some(ChangeOut { change, kind, name, fields, token: made.token }), made.warnings))
        };
        match self.before.get(&(item.kind, item.key.clone())) {
            None => change(How::Create, Vec::new()),
            Some(before) if before.body == made.body => {
                self.draft.go_back(mark);
                Ok((None, Vec::new()))
            }
            Some(before) => change(How::Change, fields(before)),
        }
    }

    /// Makes what others may need before it can be made itself; whether there is anything new to try with.
    async fn stand_in(&self, items: &[Item], waiting: &[usize], stood_in: &mut BTreeSet<usize>) -> bool {
        let mut any = false;
        for place in waiting {
            let item = &items[*place];
            let is_new = !self.before.contains_key(&(item.kind, item.key.clone()));
            if let Some(least) = item.kind.stand_in(&item.body).filter(|_| is_new && stood_in.insert(*place)) {
                any |= item.kind.put(self.at, least).await.is_ok();
            }
        }
        any
    }

    async fn delete_others(&self, document: &Document, done: &mut Done) -> Result<(), Problem> {
        let kept: BTreeSet<(Kind, &Key)> = document.items.iter().map(|item| (item.kind, &item.key)).collect();
        let others = self
            .before
            .iter()
            .rev()
            .filter(|((kind, key), _)| document.kinds.contains(kind) && !kept.contains(&(*kind, key)));
        let mut waiting: Vec<(Kind, &Thing)> = others.map(|((kind, _), thing)| (*kind, thing)).collect();
        let mut faults = Vec::new();
        let mut unlinked = false;
        for _ in 0..ROUNDS_MAX {
            let before = waiting.len();
            let mut failed = Vec::new();
            faults.clear();
            for (kind, thing) in std::mem::take(&mut waiting) {
                match kind.delete(self.at, thing).await {
                    Ok(()) => {
                        let (kind, name) = (kind.field(), thing.name.clone());
                        done.changes.push(ChangeOut {
                            change: How::Delete,
                            kind,
                            name,
                            fields: Vec::new(),
                            token: None,
                        });
                    }
                    Err(problem) => {
                        let message =
                            format!("`{}` is not in the document and stays: {}", thing.name, problem.detail());
                        faults.push(Fault::new(format!("/{}", kind.field()), message));
                        failed.push((kind, thing));
                    }
                }
                tokio::task::yield_now().await;
            }
            waiting = failed;
            if waiting.is_empty() || (waiting.len() == before && std::mem::replace(&mut unlinked, true)) {
                break;
            }
            if waiting.len() == before {
                self.unlink(&waiting).await;
            }
        }
        if waiting.is_empty() { Ok(()) } else { Err(Problem::document(faults)) }
    }

    /// An event type and its action may each keep the other; those that both go let go of each other first.
    async fn unlink(&self, waiting: &[(Kind, &Thing)]) {
        for (kind, thing) in waiting {
            if let Some(least) = kind.stand_in(&thing.body) {
                // What it does not help says so itself when it is tried again.
                drop(kind.put(self.at, least).await);
            }
        }
    }
}

/// The fields that differ, in order.
fn differing(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldOut> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |body: &Map<String, Value>, name: &String| body.get(name).cloned().unwrap_or_default();
    let field =
        |name: &String| FieldOut { field: name.clone(), before: value(before, name), after: value(after, name) };
    names.into_iter().map(field).filter(|field| field.before != field.after).collect()
}

/// Without the faults that are only that something else in the document could not be made: that is told where it stands.
fn first_causes(items: &[Item], faults: BTreeMap<usize, Vec<Fault>>) -> Vec<Fault> {
    let failed: BTreeSet<String> = faults.keys().map(|place| items[*place].name.to_lowercase()).collect();
    let mut causes = Vec::new();
    for (place, found) in &faults {
        let item = &items[*place];
        let follows = |fault: &&Fault| {
            let value = fault.pointer.strip_prefix(&item.pointer).and_then(|field| field.strip_prefix('/'));
            let named = value.and_then(|field| item.body.get(field)).and_then(Value::as_str).map(str::to_lowercase);
            named.is_some_and(|named| named != item.name.to_lowercase() && failed.contains(&named))
        };
        causes.extend(found.iter().filter(|fault| !follows(fault)).cloned());
    }
    // Things that only wait for each other would leave nothing to say.
    if causes.is_empty() { faults.into_values().flatten().collect() } else { causes }
}
