//! Names that are not known, and the nearest that is.

/// `there is no detector "emial"; did you mean "email"?`
pub(super) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let lower = name.to_ascii_lowercase();
    let near = known
        .iter()
        .map(|it| (strsim::jaro_winkler(&lower, &it.to_ascii_lowercase()), *it))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.75);
    match near {
        Some((_, near)) => format!("there is no {what} {name:?}; did you mean {near:?}?"),
        None => format!(
            "there is no {what} {name:?}; there are {}",
            known.join(", ")
        ),
    }
}
