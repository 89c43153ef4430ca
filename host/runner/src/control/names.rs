//! The names under which people know queues and audiences.
use super::is_former;
use caravan_model::{Code, Problem, StepIx, VersionId};
use caravan_store::{Audience, Lane, LaneKey, Standing, Version};

/// How people read where somebody stands.
pub fn of_standing(standing: Standing) -> &'static str {
    match standing {
        Standing::In => "in",
        Standing::Out => "out",
        Standing::Maybe => "maybe in",
        Standing::Unknown => "not known",
    }
}

/// The canvas with its version, and the step, of a place.
pub fn of_step(versions: &[Version], (version, step): (VersionId, StepIx)) -> (String, String) {
    let version = versions.iter().find(|known| known.id == version);
    let canvas =
        version.map_or_else(|| "?".to_owned(), |version| format!("{} v{}", version.canvas.canvas, version.number));
    let step = version.and_then(|version| version.canvas.steps.at(step)).map(|(id, _)| id.to_string());
    (canvas, step.unwrap_or_else(|| "?".to_owned()))
}

/// Whether an audience's name leads to a lane.
pub fn leads_to(audience: &Audience, key: &LaneKey) -> bool {
    audience.connector == key.connector
        && audience.account == key.account
        && audience.partner_id.as_deref() == Some(key.audience.as_str())
}

/// The name under which people know a queue: its audience's, rather one that steps lead to than a former one; else the
/// partner's id.
pub fn of_queue(key: &LaneKey, audiences: &[Audience]) -> String {
    let mut bound: Vec<&str> =
        audiences.iter().filter(|audience| leads_to(audience, key)).map(|audience| audience.name.as_str()).collect();
    bound.sort_by_key(|name| is_former(name));
    bound.first().map_or_else(|| key.audience.clone(), |name| (*name).to_owned())
}

/// The registered audience that a person means: by its whole name, by its name within a canvas where only one canvas has
/// it, or by the partner's id.
///
/// # Errors
/// There is none, or several.
pub fn find_audience<'a>(audiences: &'a [Audience], text: &str) -> Result<&'a Audience, Problem> {
    if let Some(exact) = audiences.iter().find(|audience| audience.name == text) {
        return Ok(exact);
    }
    let current = || audiences.iter().filter(|audience| !is_former(&audience.name));
    let short: Vec<&Audience> =
        current().filter(|audience| audience.name.rsplit_once('/').is_some_and(|(_, name)| name == text)).collect();
    let by_id = || current().filter(|audience| audience.partner_id.as_deref() == Some(text)).collect();
    let found: Vec<&Audience> = if short.is_empty() { by_id() } else { short };
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let names: Vec<&str> = current().map(|audience| audience.name.as_str()).collect();
            let cure = match names.as_slice() {
                [] => "a canvas's first run registers its audiences".to_owned(),
                names => format!("the audiences are: {}", names.join(", ")),
            };
            Err(Problem::new(Code::NotFound, format!("there is no audience `{text}`")).cure(cure))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|audience| audience.name.as_str()).collect();
            Err(Problem::new(Code::NotFound, format!("`{text}` can be several audiences"))
                .cure(format!("name one of: {}", names.join(", "))))
        }
    }
}

/// The queue that a person means: by its name as `queue list` shows it, by the partner's id, or by a short name.
///
/// # Errors
/// There is none, or several.
pub fn find_queue(lanes: &[Lane], audiences: &[Audience], text: &str) -> Result<LaneKey, Problem> {
    let mut keys: Vec<&LaneKey> = lanes.iter().map(|lane| &lane.key).collect();
    keys.dedup();
    let named = |wanted: &dyn Fn(&str, &LaneKey) -> bool| {
        let found: Vec<LaneKey> =
            keys.iter().filter(|key| wanted(&of_queue(key, audiences), key)).map(|key| (*key).clone()).collect();
        found
    };
    let mut found = named(&|name, _| name == text);
    // Further names of the same audience, and former ones.
    if found.is_empty() {
        let also = audiences.iter().filter(|audience| audience.name == text);
        let keys = keys.iter().filter(|key| also.clone().any(|audience| leads_to(audience, key)));
        found = keys.map(|key| (*key).clone()).collect();
    }
    if found.is_empty() {
        found = named(&|_, key| key.audience == text);
    }
    if found.is_empty() {
        found = named(&|name, _| name.rsplit_once('/').is_some_and(|(_, short)| short == text));
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let names: Vec<String> = keys.iter().map(|key| of_queue(key, audiences)).collect();
            Err(Problem::new(Code::NotFound, format!("there is no queue `{text}`")).cure(match names.is_empty() {
                true => "there is none yet: a queue begins with the first person who is sent to an audience".to_owned(),
                false => format!("the queues are: {}", names.join(", ")),
            }))
        }
        several => {
            let names: Vec<String> = several.iter().map(|key| of_queue(key, audiences)).collect();
            Err(Problem::new(Code::NotFound, format!("`{text}` can be several queues"))
                .cure(format!("name one of: {}", names.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::LaneId;
    use caravan_store::LaneState;

    fn audience(name: &str, id: &str) -> Audience {
        Audience {
            name: name.into(),
            connection: "acme".into(),
            connector: "meta".into(),
            account: "act_1".into(),
            partner_id: Some(id.into()),
            parts: Vec::new(),
            marker: String::new(),
            made_by_us: true,
        }
    }

    fn lane(n: i64, id: &str) -> Lane {
        Lane {
            id: LaneId(n),
            key: LaneKey { connector: "meta".into(), account: "act_1".into(), audience: id.into() },
            state: LaneState::Open,
            connection: "acme".into(),
            waiting: 0,
            sealed: 0,
            oldest: None,
            owed: 0,
            made_by_us: true,
            audience_parts: Vec::new(),
            stripe: 0,
            held_by: Vec::new(),
            next_renewal: None,
        }
    }

    #[test]
    fn queues_and_audiences_are_found_by_every_name_that_people_see() {
        let audiences = [
            audience("a/list (was 1)", "1"),
            audience("a/list", "2"),
            audience("b/other", "2"),
            audience("c/list", "3"),
        ];
        let lanes = [lane(1, "1"), lane(2, "2"), lane(3, "3"), lane(4, "4")];
        assert_eq!(of_queue(&lanes[1].key, &audiences), "a/list");
        assert_eq!(of_queue(&lanes[0].key, &audiences), "a/list (was 1)");
        assert_eq!(of_queue(&lanes[3].key, &audiences), "4");
        let queue = |text| find_queue(&lanes, &audiences, text).map(|key| key.audience);
        for (text, id) in [("a/list", "2"), ("b/other", "2"), ("a/list (was 1)", "1"), ("4", "4"), ("1", "1")] {
            assert_eq!(queue(text).as_deref(), Ok(id), "{text}");
        }
        assert!(queue("list").is_err_and(|problem| problem.message.contains("several")));
        assert!(queue("nobody").is_err_and(|problem| problem.cure.is_some_and(|cure| cure.contains("a/list"))));
        let found = |text| find_audience(&audiences, text).map(|audience| audience.name.as_str());
        for (text, name) in [("a/list", "a/list"), ("other", "b/other"), ("3", "c/list")] {
            assert_eq!(found(text), Ok(name), "{text}");
        }
        assert!(found("list").is_err() && found("2").is_err() && found("nobody").is_err());
    }
}
