//! What the controller's account may do: a manifest with exactly what the features in use need.
//!
//! | feature | group | resource | verbs | where |
//! |---|---|---|---|---|
//! | [`batch`](Rbac::batch) | | pods | get, list | namespaces that are looked after |
//! | [`batch`](Rbac::batch) of the whole cluster | | namespaces | list | cluster |
//! | [`watch`](Rbac::watch) | | pods | list, watch | namespaces that are looked after |
//! | [`evict`](Rbac::evict) | | pods/eviction | create | the same |
//! | [`delete`](Rbac::delete) | | pods | delete | the same |
//! | [`restart`](Rbac::restart) | apps | deployments, statefulsets or daemonsets | get, patch | the same |
//! | [`nodes`](Rbac::nodes) | | nodes | list | cluster |
//! | [`events`](Rbac::events) | events.k8s.io | events | create, list, patch | the same as pods |
//! | [`lease`](Rbac::lease) | coordination.k8s.io | leases | create; get, update of the one Lease | namespace of the controller |
//!
//! Nothing is asked for that is not in this table: no Secrets, no ConfigMaps, no PersistentVolumeClaims, no write to a
//! pod but its eviction or deletion. A controller that only looks needs [`batch`](Rbac::batch) or
//! [`watch`](Rbac::watch) alone. What is missing all the same is an
//! [`Outcome::Forbidden`](crate::act::Outcome::Forbidden) that names the verb and the resource.
//!
//! ```
//! use opsbox_heal::{act::OwnerKind, rbac::Rbac};
//!
//! let yaml = Rbac::new("ops", "opsbox-heal")
//!     .namespaces(["shop"])
//!     .watch()
//!     .evict()
//!     .restart(OwnerKind::Deployment)
//!     .events()
//!     .lease("opsbox-heal")
//!     .to_string();
//! assert!(yaml.contains(
//! "- apiGroups: [\"\"]  # evict pods, as far as their disruption budgets allow it
//!   resources: [pods/eviction]
//!   verbs: [create]
//! "
//! ));
//! ```

use std::{collections::BTreeSet, fmt};

use serde_json::{Value, json};

use crate::{
    act::{OwnerKind, Permission},
    decide::{Action, Mode, Policy},
    model::{cause::Cause, verdict::Condition},
};

/// The account of a controller and what it may do, for the features in use. It is displayed as YAML, for
/// `kubectl apply -f -`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rbac {
    namespace: String,
    name: String,
    /// `None` for all.
    namespaces: Option<BTreeSet<String>>,
    batch: bool,
    watch: bool,
    evict: bool,
    delete: bool,
    restart: BTreeSet<OwnerKind>,
    nodes: bool,
    events: bool,
    lease: Option<String>,
}

/// Where a [`Rule`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleScope {
    /// In the namespaces whose pods are looked after, be it all of them.
    Pods,
    /// For what has no namespace.
    Cluster,
    /// In the namespace of the controller.
    Own,
}

/// One rule of a Role or ClusterRole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Where it holds.
    pub scope: RuleScope,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource with its subresource.
    pub resource: &'static str,
    /// Names that it is limited to; none for no limit.
    pub names: Vec<String>,
    /// The verbs, sorted.
    pub verbs: Vec<&'static str>,
    /// What for.
    pub purpose: &'static str,
}

impl Rule {
    fn new(
        scope: RuleScope,
        group: &'static str,
        resource: &'static str,
        verbs: &[&'static str],
        purpose: &'static str,
    ) -> Self {
        Self {
            scope,
            group,
            resource,
            names: Vec::new(),
            verbs: verbs.to_vec(),
            purpose,
        }
    }

    /// What it permits, a verb each.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        let permission = |verb: &&'static str| Permission::new(*verb, self.group, self.resource);
        self.verbs.iter().map(permission)
    }

    fn json(&self) -> Value {
        let mut fields = vec![
            ("apiGroups", json!([self.group])),
            ("resources", json!([self.resource])),
            ("verbs", json!(self.verbs)),
        ];
        if !self.names.is_empty() {
            fields.push(("resourceNames", json!(self.names)));
        }
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Object(fields.collect())
    }
}

impl Rbac {
    /// A controller that runs in this namespace; `name` is that of its ServiceAccount and of all roles and bindings.
    /// It may do nothing yet, and what it may do later holds in all namespaces.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            namespaces: None,
            batch: false,
            watch: false,
            evict: false,
            delete: false,
            restart: BTreeSet::new(),
            nodes: false,
            events: false,
            lease: None,
        }
    }

    /// Looks after pods in these namespaces only.
    pub fn namespaces<T: Into<String>>(mut self, namespaces: impl IntoIterator<Item = T>) -> Self {
        self.namespaces = Some(namespaces.into_iter().map(Into::into).collect());
        self
    }

    /// Sweeps: lists pods and reads suspects.
    pub fn batch(mut self) -> Self {
        self.batch = true;
        self
    }

    /// Watches pods.
    pub fn watch(mut self) -> Self {
        self.watch = true;
        self
    }

    /// Evicts pods.
    pub fn evict(mut self) -> Self {
        self.evict = true;
        self
    }

    /// Deletes pods, whatever their disruption budgets say.
    pub fn delete(mut self) -> Self {
        self.delete = true;
        self
    }

    /// Restarts owners of this kind.
    pub fn restart(mut self, kind: OwnerKind) -> Self {
        self.restart.insert(kind);
        self
    }

    /// Lists nodes, to tell a sick pod from a lost node.
    pub fn nodes(mut self) -> Self {
        self.nodes = true;
        self
    }

    /// Carries out this policy: evicts, deletes and restarts as far as a response of it says so. Of one that is
    /// a dry run nothing.
    pub fn acts_of(mut self, policy: &Policy) -> Self {
        if policy.mode != Mode::Act {
            return self;
        }
        for condition in Condition::ALL {
            let causes = Cause::ALL
                .into_iter()
                .filter(|c| c.condition() == condition);
            for cause in std::iter::once(None).chain(causes.map(Some)) {
                let steps = policy.response(condition, cause).map(|row| &*row.steps);
                for step in steps.unwrap_or_default() {
                    match step {
                        Action::Evict => self.evict = true,
                        Action::Delete => self.delete = true,
                        Action::RestartOwner => self.restart.extend(OwnerKind::ALL),
                        _ => {}
                    }
                }
            }
        }
        self
    }

    /// Records Events, and reads those of the process before.
    pub fn events(mut self) -> Self {
        self.events = true;
        self
    }

    /// Elects a leader on the Lease of this name in the namespace of the controller.
    pub fn lease(mut self, name: impl Into<String>) -> Self {
        self.lease = Some(name.into());
        self
    }

    /// The rules, each needed by one of the features.
    pub fn rules(&self) -> Vec<Rule> {
        use RuleScope::{Cluster, Own, Pods};
        let mut rules = Vec::new();
        // One rule for the reads of pods, so that none is there twice.
        let verbs: Vec<&'static str> = [
            ("get", self.batch),
            ("list", self.batch || self.watch),
            ("watch", self.watch),
        ]
        .into_iter()
        .filter_map(|(verb, is_needed)| is_needed.then_some(verb))
        .collect();
        if !verbs.is_empty() {
            rules.push(Rule::new(Pods, "", "pods", &verbs, "observe pods"));
        }
        if self.batch && self.namespaces.is_none() {
            let purpose = "sweep one namespace after the other";
            rules.push(Rule::new(Cluster, "", "namespaces", &["list"], purpose));
        }
        if self.nodes {
            let purpose = "tell a sick pod from a lost node";
            rules.push(Rule::new(Cluster, "", "nodes", &["list"], purpose));
        }
        if self.evict {
            let purpose = "evict pods, as far as their disruption budgets allow it";
            rules.push(Rule::new(Pods, "", "pods/eviction", &["create"], purpose));
        }
        if self.delete {
            let purpose = "delete pods where the policy says so";
            rules.push(Rule::new(Pods, "", "pods", &["delete"], purpose));
        }
        for kind in &self.restart {
            let purpose = "restart owners by an annotation on their template";
            rules.push(Rule::new(
                Pods,
                "apps",
                kind.resource(),
                &["get", "patch"],
                purpose,
            ));
        }
        if self.events {
            let purpose = "record Events, count repeats, learn what was done before";
            let verbs = &["create", "list", "patch"];
            rules.push(Rule::new(Pods, "events.k8s.io", "events", verbs, purpose));
        }
        if let Some(lease) = &self.lease {
            let group = "coordination.k8s.io";
            // A name cannot be given for what does not exist yet.
            let make = Rule::new(Own, group, "leases", &["create"], "make the Lease");
            rules.push(make);
            let purpose = "elect a leader";
            let mut hold = Rule::new(Own, group, "leases", &["get", "update"], purpose);
            hold.names.push(lease.clone());
            rules.push(hold);
        }
        rules
    }

    /// The objects to apply, as JSON.
    pub fn manifests(&self) -> Vec<Value> {
        self.objects()
            .into_iter()
            .map(|object| object.json(self))
            .collect()
    }

    fn objects(&self) -> Vec<Object> {
        let rules = self.rules();
        let of = |scopes: &[RuleScope]| -> Vec<Rule> {
            let in_scope = |rule: &&Rule| scopes.contains(&rule.scope);
            rules.iter().filter(in_scope).cloned().collect()
        };
        let mut objects = vec![Object::Account];
        let mut add = |namespace: Option<&str>, rules: Vec<Rule>| {
            if !rules.is_empty() {
                let namespace = namespace.map(str::to_owned);
                objects.push(Object::Role(namespace.clone(), rules));
                objects.push(Object::Binding(namespace));
            }
        };
        match &self.namespaces {
            None => {
                add(None, of(&[RuleScope::Pods, RuleScope::Cluster]));
                add(Some(&self.namespace), of(&[RuleScope::Own]));
            }
            Some(namespaces) => {
                add(None, of(&[RuleScope::Cluster]));
                for namespace in namespaces.iter().filter(|&n| *n != self.namespace) {
                    add(Some(namespace), of(&[RuleScope::Pods]));
                }
                // Two roles of one name in one namespace would be one.
                let scopes: &[RuleScope] = match namespaces.contains(&self.namespace) {
                    true => &[RuleScope::Pods, RuleScope::Own],
                    false => &[RuleScope::Own],
                };
                add(Some(&self.namespace), of(scopes));
            }
        }
        objects
    }
}

/// One object of the manifest; roles and bindings are those of a namespace, or of the cluster.
enum Object {
    Account,
    Role(Option<String>, Vec<Rule>),
    Binding(Option<String>),
}

const GROUP: &str = "rbac.authorization.k8s.io";

impl Object {
    fn kind(&self) -> &'static str {
        match self {
            Self::Account => "ServiceAccount",
            Self::Role(None, _) => "ClusterRole",
            Self::Role(Some(_), _) => "Role",
            Self::Binding(None) => "ClusterRoleBinding",
            Self::Binding(Some(_)) => "RoleBinding",
        }
    }

    fn namespace<'a>(&'a self, rbac: &'a Rbac) -> Option<&'a str> {
        match self {
            Self::Account => Some(&rbac.namespace),
            Self::Role(namespace, _) | Self::Binding(namespace) => namespace.as_deref(),
        }
    }

    fn api_version(&self) -> String {
        match self {
            Self::Account => "v1".to_owned(),
            _ => format!("{GROUP}/v1"),
        }
    }

    fn role_kind(&self) -> &'static str {
        match self {
            Self::Binding(None) => "ClusterRole",
            _ => "Role",
        }
    }

    fn json(&self, rbac: &Rbac) -> Value {
        let (name, namespace) = (&rbac.name, self.namespace(rbac));
        let metadata = match namespace {
            Some(namespace) => json!({"name": name, "namespace": namespace}),
            None => json!({"name": name}),
        };
        let (version, kind) = (self.api_version(), self.kind());
        match self {
            Self::Account => json!({"apiVersion": version, "kind": kind, "metadata": metadata}),
            Self::Role(_, rules) => {
                let rules: Vec<Value> = rules.iter().map(Rule::json).collect();
                json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules})
            }
            Self::Binding(_) => json!({
                "apiVersion": version, "kind": kind, "metadata": metadata,
                "roleRef": {"apiGroup": GROUP, "kind": self.role_kind(), "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": rbac.namespace}],
            }),
        }
    }

    fn write(&self, rbac: &Rbac, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Quoted(&rbac.name);
        writeln!(f, "apiVersion: {}", self.api_version())?;
        writeln!(f, "kind: {}", self.kind())?;
        writeln!(f, "metadata:\n  name: {name}")?;
        if let Some(namespace) = self.namespace(rbac) {
            writeln!(f, "  namespace: {}", Quoted(namespace))?;
        }
        match self {
            Self::Account => Ok(()),
            Self::Role(_, rules) => {
                writeln!(f, "rules:")?;
                rules.iter().try_for_each(|rule| rule.write(f))
            }
            Self::Binding(_) => {
                let kind = self.role_kind();
                writeln!(
                    f,
                    "roleRef:\n  apiGroup: {GROUP}\n  kind: {kind}\n  name: {name}"
                )?;
                writeln!(f, "subjects:\n- kind: ServiceAccount\n  name: {name}")?;
                writeln!(f, "  namespace: {}", Quoted(&rbac.namespace))
            }
        }
    }
}

impl Rule {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = Quoted(self.group);
        writeln!(f, "- apiGroups: [{group}]  # {}", self.purpose)?;
        writeln!(f, "  resources: [{}]", self.resource)?;
        if !self.names.is_empty() {
            let names: Vec<String> = self
                .names
                .iter()
                .map(|name| Quoted(name).to_string())
                .collect();
            writeln!(f, "  resourceNames: [{}]", names.join(", "))?;
        }
        writeln!(f, "  verbs: [{}]", self.verbs.join(", "))
    }
}

/// The manifest, as YAML of several documents.
impl fmt::Display for Rbac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, object) in self.objects().iter().enumerate() {
            if index > 0 {
                writeln!(f, "---")?;
            }
            object.write(self, f)?;
        }
        Ok(())
    }
}

/// A text as YAML: in quotes unless it is plainly one.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        let is_other = matches!(
            self.0,
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        );
        let starts = self.0.starts_with(|c: char| c.is_ascii_lowercase());
        if starts && !is_other && self.0.chars().all(is_word) {
            return f.write_str(self.0);
        }
        // A string of JSON is one of YAML.
        write!(f, "{}", Value::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Rbac {
        OwnerKind::ALL
            .into_iter()
            .fold(Rbac::new("ops", "opsbox-heal"), Rbac::restart)
            .batch()
            .watch()
            .evict()
            .delete()
            .nodes()
            .events()
            .lease("opsbox-heal")
    }

    #[test]
    fn nothing_is_asked_for_that_is_not_used() {
        assert!(Rbac::new("ops", "x").rules().is_empty());
        assert_eq!(Rbac::new("ops", "x").manifests().len(), 1);
        let said = |rbac: Rbac| -> Vec<String> {
            let rules = rbac.rules();
            let permissions = rules.iter().flat_map(Rule::permissions);
            permissions
                .map(|p| format!("{} {}", p.verb, p.resource))
                .collect()
        };
        let watch = Rbac::new("ops", "x").watch();
        assert_eq!(said(watch), ["list pods", "watch pods"]);
        let batch = Rbac::new("ops", "x").batch();
        assert_eq!(
            said(batch.clone()),
            ["get pods", "list pods", "list namespaces"]
        );
        assert_eq!(said(batch.namespaces(["shop"])), ["get pods", "list pods"]);
        let evict = Rbac::new("ops", "x").evict();
        assert_eq!(said(evict), ["create pods/eviction"]);
        let everything = said(all());
        let unwanted = [
            "secrets",
            "configmaps",
            "persistentvolumeclaims",
            "*",
            "update pods",
        ];
        assert!(
            everything
                .iter()
                .all(|one| unwanted.iter().all(|not| !one.contains(not)))
        );
    }

    #[test]
    fn the_yaml_reads_as_a_person_would_write_it() {
        let rbac = Rbac::new("ops", "heal")
            .namespaces(["ops", "shop"])
            .watch()
            .lease("heal");
        let expected = "\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: heal
  namespace: ops
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: heal
  namespace: shop
rules:
- apiGroups: [\"\"]  # observe pods
  resources: [pods]
  verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: heal
  namespace: shop
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: heal
subjects:
- kind: ServiceAccount
  name: heal
  namespace: ops
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: heal
  namespace: ops
rules:
- apiGroups: [\"\"]  # observe pods
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [coordination.k8s.io]  # make the Lease
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]  # elect a leader
  resources: [leases]
  resourceNames: [heal]
  verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: heal
  namespace: ops
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: heal
subjects:
- kind: ServiceAccount
  name: heal
  namespace: ops
";
        assert_eq!(rbac.to_string(), expected);
    }

    #[cfg(feature = "yaml")]
    #[test]
    fn the_yaml_says_what_the_json_does() {
        let odd = Rbac::new("no", "12: \"x\"\n- #").watch().lease("true");
        let some = all().namespaces(["ops", "shop"]);
        for rbac in [all(), some, odd, Rbac::new("ops", "x")] {
            let yaml = rbac.to_string();
            let read: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
            assert_eq!(read, rbac.manifests(), "{yaml}");
        }
    }
}
