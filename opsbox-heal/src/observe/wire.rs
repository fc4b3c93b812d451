//! What is read of the JSON or YAML of a pod. Everything else is skipped without being kept.
//!
//! The Go side leaves out empty values and writes `null` for some of them, so absent, `null` and
//! empty are one and the same here.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use crate::{
    model::{labels::END, pod::Marks},
    time::Timestamp,
};

/// A list that may be `null`.
pub(super) type List<T> = Option<Vec<T>>;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ObjectMeta<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) namespace: Text<'a>,
    #[serde(borrow)]
    pub(super) uid: Text<'a>,
    #[serde(borrow)]
    pub(super) resource_version: Text<'a>,
    pub(super) labels: Option<Labels>,
    pub(super) annotations: Option<Annotations>,
    pub(super) creation_timestamp: Option<Time>,
    pub(super) deletion_timestamp: Option<Time>,
    pub(super) deletion_grace_period_seconds: Option<i64>,
    #[serde(borrow)]
    pub(super) finalizers: List<Text<'a>>,
    #[serde(borrow)]
    pub(super) owner_references: List<OwnerReference<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct OwnerReference<'a> {
    #[serde(borrow)]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) uid: Text<'a>,
    pub(super) controller: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec<'a> {
    #[serde(borrow)]
    pub(super) containers: List<ContainerSpec<'a>>,
    #[serde(borrow)]
    pub(super) init_containers: List<ContainerSpec<'a>>,
    #[serde(borrow)]
    pub(super) ephemeral_containers: List<ContainerSpec<'a>>,
    #[serde(borrow)]
    pub(super) volumes: List<VolumeSpec<'a>>,
    #[serde(borrow)]
    pub(super) node_name: Text<'a>,
    #[serde(borrow)]
    pub(super) restart_policy: Text<'a>,
    pub(super) priority: Option<i32>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerSpec<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) image: Text<'a>,
    #[serde(borrow)]
    pub(super) restart_policy: Text<'a>,
    #[serde(borrow)]
    pub(super) env: List<EnvVar<'a>>,
    #[serde(borrow)]
    pub(super) env_from: List<EnvFrom<'a>>,
    pub(super) startup_probe: Option<IgnoredAny>,
    pub(super) readiness_probe: Option<IgnoredAny>,
    pub(super) liveness_probe: Option<IgnoredAny>,
}

/// A variable, of which only matters where its value comes from.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EnvVar<'a> {
    #[serde(borrow)]
    pub(super) value_from: Option<EnvSource<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EnvSource<'a> {
    #[serde(borrow)]
    pub(super) config_map_key_ref: Option<Named<'a>>,
    #[serde(borrow)]
    pub(super) secret_key_ref: Option<Named<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EnvFrom<'a> {
    #[serde(borrow)]
    pub(super) config_map_ref: Option<Named<'a>>,
    #[serde(borrow)]
    pub(super) secret_ref: Option<Named<'a>>,
}

/// A reference to another object, which each part of the API calls differently.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Named<'a> {
    #[serde(borrow, alias = "secretName", alias = "claimName", alias = "path")]
    pub(super) name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VolumeSpec<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) empty_dir: Option<EmptyDir<'a>>,
    #[serde(borrow)]
    pub(super) host_path: Option<Named<'a>>,
    #[serde(borrow)]
    pub(super) persistent_volume_claim: Option<Named<'a>>,
    pub(super) ephemeral: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) config_map: Option<Named<'a>>,
    #[serde(borrow)]
    pub(super) secret: Option<Named<'a>>,
    #[serde(borrow)]
    pub(super) projected: Option<Projected<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct EmptyDir<'a> {
    #[serde(borrow)]
    pub(super) medium: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Projected<'a> {
    #[serde(borrow)]
    pub(super) sources: List<ProjectedSource<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ProjectedSource<'a> {
    pub(super) service_account_token: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) config_map: Option<Named<'a>>,
    #[serde(borrow)]
    pub(super) secret: Option<Named<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus<'a> {
    #[serde(borrow)]
    pub(super) phase: Text<'a>,
    #[serde(borrow)]
    pub(super) reason: Text<'a>,
    #[serde(borrow)]
    pub(super) message: Text<'a>,
    #[serde(borrow)]
    pub(super) qos_class: Text<'a>,
    #[serde(borrow)]
    pub(super) conditions: List<Condition<'a>>,
    #[serde(borrow)]
    pub(super) container_statuses: List<ContainerStatus<'a>>,
    #[serde(borrow)]
    pub(super) init_container_statuses: List<ContainerStatus<'a>>,
    #[serde(borrow)]
    pub(super) ephemeral_container_statuses: List<ContainerStatus<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) status: Text<'a>,
    #[serde(borrow)]
    pub(super) reason: Text<'a>,
    #[serde(borrow)]
    pub(super) message: Text<'a>,
    pub(super) last_transition_time: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerStatus<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    #[serde(borrow)]
    pub(super) image: Text<'a>,
    #[serde(borrow)]
    pub(super) state: Option<State<'a>>,
    #[serde(borrow)]
    pub(super) last_state: Option<State<'a>>,
    pub(super) ready: Option<bool>,
    pub(super) started: Option<bool>,
    pub(super) restart_count: Option<i64>,
}

/// A union of which one member is set; none set means waiting.
#[derive(Default)]
pub(super) struct State<'a> {
    pub(super) waiting: Option<Waiting<'a>>,
    pub(super) running: Option<Running>,
    pub(super) terminated: Option<Terminated<'a>>,
    /// Name of a member that this crate does not know.
    pub(super) other: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Waiting<'a> {
    #[serde(borrow)]
    pub(super) reason: Text<'a>,
    #[serde(borrow)]
    pub(super) message: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Running {
    pub(super) started_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Terminated<'a> {
    pub(super) exit_code: Option<i64>,
    pub(super) signal: Option<i64>,
    #[serde(borrow)]
    pub(super) reason: Text<'a>,
    #[serde(borrow)]
    pub(super) message: Text<'a>,
    pub(super) started_at: Option<Time>,
    pub(super) finished_at: Option<Time>,
}

impl<'de: 'a, 'a> Deserialize<'de> for State<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Members<'a> {
            type Value = State<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a container state")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<State<'a>, A::Error> {
                let mut state = State::default();
                while let Some(member) = map.next_key::<Text<'a>>()? {
                    match member.as_str() {
                        "waiting" => state.waiting = map.next_value()?,
                        "running" => state.running = map.next_value()?,
                        "terminated" => state.terminated = map.next_value()?,
                        _ => {
                            if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                                state.other = member;
                            }
                        }
                    }
                }
                Ok(state)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Labels as one text, as the model keeps them.
#[derive(Default)]
pub(super) struct Labels(pub(super) String);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                // As long as the labels of a Helm chart are.
                let mut labels = String::with_capacity(384);
                while let Some((key, value)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    for part in [key.as_str(), value.as_str()] {
                        if part.contains(END) {
                            return Err(de::Error::custom(
                                "a label with a NUL character, which the API does not have",
                            ));
                        }
                        labels.push_str(part);
                        labels.push(END);
                    }
                }
                Ok(Labels(labels))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// What of the annotations matters; the others, which may be long, are skipped.
#[derive(Default)]
pub(super) struct Annotations(pub(super) Marks);

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Annotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let mut marks = Marks::default();
                while let Some(key) = map.next_key::<Text<'de>>()? {
                    if Marks::KEYS.contains(&key.as_str()) {
                        marks.annotation(key.as_str(), map.next_value::<Text<'de>>()?.as_str());
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Annotations(marks))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// A string, borrowed from the input where it can be; `null` reads as empty.
#[derive(Default)]
pub(super) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText<'a>(PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for AnyText<'a> {
            type Value = Text<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text)))
            }

            fn visit_none<E>(self) -> Result<Text<'a>, E> {
                Ok(Text::default())
            }

            fn visit_unit<E>(self) -> Result<Text<'a>, E> {
                Ok(Text::default())
            }

            fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Text<'a>, D::Error> {
                some.deserialize_str(self)
            }
        }

        deserializer.deserialize_option(AnyText(PhantomData))
    }
}

/// A point in time, read without an intermediate string.
pub(super) struct Time(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rfc3339;

        impl Visitor<'_> for Rfc3339 {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as in \"2026-01-02T03:04:05Z\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                text.parse().map(Time).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Rfc3339)
    }
}
