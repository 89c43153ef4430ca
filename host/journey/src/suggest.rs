//! "Did you mean": the nearest of the names that may stand somewhere.

/// The nearest of these names, where one is near enough to be meant: at most a third of its letters differ.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace(['-', ' '], "_");
    let wrong = fold(wrong);
    names
        .into_iter()
        .map(|name| (distance(&wrong, &fold(name)), name))
        .filter(|(distance, name)| *distance <= (name.chars().count().max(wrong.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A cure that proposes the nearest name, and lists what there is.
pub fn cure<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str> + Clone, what: &str) -> String {
    let list: Vec<&str> = names.clone().into_iter().collect();
    let list = if list.is_empty() { format!("there is no {what}") } else { format!("{what}: {}", list.join(", ")) };
    match nearest(wrong, names) {
        Some(name) => format!("did you mean `{name}`? {list}"),
        None => list,
    }
}

/// The number of letters to insert, delete, replace or swap with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(64).collect(), other.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i; other.len() + 1];
        for j in 1..=other.len() {
            let replaced = last[j - 1] + usize::from(one[i - 1] != other[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed_and_a_far_one_is_not() {
        let names = ["email", "phone", "first_name"];
        assert_eq!(nearest("emial", names), Some("email"));
        assert_eq!(nearest("First-Name", names), Some("first_name"));
        assert_eq!(nearest("postcode", names), None);
    }
}
