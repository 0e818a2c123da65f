//! `allowed_hosts` as sink types, actions and secrets have it in their bodies.

use super::error::Fault;
use crate::domain::AllowedHost;

/// Whether a rule may lead to addresses that are not of the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MayBePrivate {
    /// Only sink types say so, which are the operator's.
    Never,
    BySinkType,
}

/// What is wrong with rules that can be read.
pub(super) fn check_hosts(rules: &[AllowedHost], private: MayBePrivate) -> Vec<Fault> {
    if rules.len() > AllowedHost::LIST_MAX {
        let message = format!("there may be {} rules", AllowedHost::LIST_MAX);
        return vec![Fault::new("/allowed_hosts", message)];
    }
    let refused = |rule: &AllowedHost| private == MayBePrivate::Never && rule.is_private();
    let places = rules.iter().enumerate().filter(|(_, rule)| refused(rule)).map(|(place, _)| place);
    let message = "`private` is for the rules of sink types: the platform's operator says what is reached besides the \
                   internet";
    places.map(|place| Fault::new(format!("/allowed_hosts/{place}"), message)).collect()
}

/// What a tenant may not give, since none of the rules that were `given` to it covers it.
pub(super) fn check_given(rules: &[AllowedHost], given: &[AllowedHost]) -> Vec<Fault> {
    let covered = |rule: &AllowedHost| given.iter().any(|given| given.covers(rule));
    let places = rules.iter().enumerate().filter(|(_, rule)| !covered(rule));
    let fault = |(place, rule): (usize, &AllowedHost)| {
        let message = format!("the platform lets `{rule}` be reached, in a sink type of its own; a tenant does not");
        Fault::new(format!("/allowed_hosts/{place}"), message)
    };
    places.map(fault).collect()
}
