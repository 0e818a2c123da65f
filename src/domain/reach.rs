//! What an attempt may reach by HTTP, and the secrets that the host sends for it.

use super::{AllowedHost, Destination, SecretText};
use std::fmt;

/// Both lists that a request has to be on, with the names of who gives them.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    pub action: String,
    pub of_action: Vec<AllowedHost>,
    pub sink_type: String,
    pub of_sink_type: Vec<AllowedHost>,
    /// What the guest holds placeholders of.
    pub hidden: Vec<HiddenSecret>,
}

/// A secret that a parameter with `reveal: false` takes.
#[derive(Clone)]
pub struct HiddenSecret {
    pub parameter: String,
    /// What the guest has in its params: letters, digits and `-`, unguessable, of this attempt only.
    pub placeholder: String,
    pub text: SecretText,
    /// Where it may be sent, besides what the action and the sink type say.
    pub allowed_hosts: Vec<AllowedHost>,
}

/// Not the placeholder either: who has it can have the secret sent.
impl fmt::Debug for HiddenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HiddenSecret({})", self.parameter)
    }
}

/// To which addresses a request that is allowed may be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    Public,
    /// Also to those around the server: the sink type says so.
    Private,
}

impl Reach {
    /// Whether both sides allow a request.
    ///
    /// # Errors
    /// Who does not, and what there is to be done, for the author of the action.
    pub fn check(&self, destination: &Destination) -> Result<Granted, String> {
        let asked = format!("{} {destination}", destination.method);
        let mut missing = Vec::new();
        if !allows(&self.of_action, destination) {
            let none = if self.of_action.is_empty() { "no hosts".to_owned() } else { format!("no `{asked}`") };
            missing.push(format!(
                "the action `{}` allows {none}: put `{destination}` into its `allowed_hosts`",
                self.action
            ));
        }
        if !allows(&self.of_sink_type, destination) {
            let none = if self.of_sink_type.is_empty() { "no hosts".to_owned() } else { format!("no `{asked}`") };
            let flag = if self.sink_type == super::SinkType::WASM {
                format!(" (or with `fusebox serve --allow-host {destination}`)")
            } else {
                String::new()
            };
            missing.push(format!(
                "the sink type `{}` allows {none}: the platform's operator allows them in `allowed_hosts` of a sink \
                 type{flag}",
                self.sink_type
            ));
        }
        if !missing.is_empty() {
            return Err(missing.join("; "));
        }
        let private = self.of_sink_type.iter().any(|rule| rule.is_private() && rule.allows(destination));
        Ok(if private { Granted::Private } else { Granted::Public })
    }
}

impl HiddenSecret {
    /// Whether it may be sent there.
    ///
    /// # Errors
    /// That it may not, for the author of the action.
    pub fn check(&self, destination: &Destination) -> Result<(), String> {
        if allows(&self.allowed_hosts, destination) {
            return Ok(());
        }
        let parameter = &self.parameter;
        Err(format!(
            "the parameter `{parameter}` may not be sent to `{destination}`: its secret has other `allowed_hosts`"
        ))
    }
}

fn allows(rules: &[AllowedHost], destination: &Destination) -> bool {
    rules.iter().any(|rule| rule.allows(destination))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Host, Scheme};

    fn rules(texts: &[&str]) -> Vec<AllowedHost> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn reach(of_action: &[&str], of_sink_type: &[&str]) -> Reach {
        Reach {
            action: "notify".to_owned(),
            of_action: rules(of_action),
            sink_type: "wasm".to_owned(),
            of_sink_type: rules(of_sink_type),
            hidden: Vec::new(),
        }
    }

    fn get(host: &str) -> Destination {
        Destination {
            scheme: Scheme::Https,
            host: Host::parse(host).unwrap(),
            port: 443,
            method: "GET".to_owned(),
            path: "/secret-path".to_owned(),
        }
    }

    #[test]
    fn a_request_must_be_allowed_by_the_action_and_by_the_sink_type() {
        let (any, one, other) = (["https://*"], ["https://api.example"], ["https://other.example"]);
        assert_eq!(reach(&any, &one).check(&get("api.example")), Ok(Granted::Public));
        assert_eq!(reach(&one, &any).check(&get("api.example")), Ok(Granted::Public));
        for (of_action, of_sink_type, says) in [
            (&[][..], &any[..], "the action `notify` allows no hosts"),
            (&other[..], &any[..], "the action `notify` allows no `GET https://api.example`"),
            (&any[..], &[][..], "the sink type `wasm` allows no hosts"),
            (&any[..], &other[..], "the sink type `wasm` allows no `GET https://api.example`"),
            (&any[..], &[][..], "`fusebox serve --allow-host https://api.example`"),
            (&[][..], &[][..], "into its `allowed_hosts`; the sink type `wasm`"),
        ] {
            let denied = reach(of_action, of_sink_type).check(&get("api.example")).unwrap_err();
            assert!(denied.contains(says) && !denied.contains("secret-path"), "{denied}");
        }
    }

    #[test]
    fn only_the_sink_type_opens_what_is_private_and_only_for_what_its_rule_is_about() {
        let private = ["private https://in.example", "https://*"];
        assert_eq!(reach(&["https://*"], &private).check(&get("in.example")), Ok(Granted::Private));
        assert_eq!(reach(&["https://*"], &private).check(&get("out.example")), Ok(Granted::Public));
        assert_eq!(reach(&["private https://*"], &["https://*"]).check(&get("in.example")), Ok(Granted::Public));
    }

    #[test]
    fn a_hidden_secret_is_sent_only_where_it_may_be() {
        let hidden = HiddenSecret {
            parameter: "token".to_owned(),
            placeholder: "p".to_owned(),
            text: SecretText::new("hunter2".to_owned()).unwrap(),
            allowed_hosts: rules(&["GET https://api.example"]),
        };
        assert_eq!(hidden.check(&get("api.example")), Ok(()));
        let denied = hidden.check(&get("evil.example")).unwrap_err();
        assert!(denied.contains("`token`") && denied.contains("`https://evil.example`"), "{denied}");
        assert!(!format!("{hidden:?}").contains("hunter2"));
    }
}
