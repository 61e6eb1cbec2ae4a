//! Lists to choose from.

/// An entry of a list to choose from.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) chosen: bool,
}

/// The choices, with the chosen value among them even when it is not on the list.
pub(crate) fn choices<'a>(offered: impl IntoIterator<Item = (&'a str, &'a str)>, chosen: &str) -> Vec<Choice> {
    let mut choices: Vec<Choice> = offered
        .into_iter()
        .map(|(value, label)| Choice { value: value.into(), label: label.into(), chosen: value == chosen })
        .collect();
    if !choices.iter().any(|choice| choice.chosen) {
        choices.push(Choice { value: chosen.into(), label: chosen.into(), chosen: true });
    }
    choices
}
