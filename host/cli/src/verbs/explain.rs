//! `caravan explain [CODE]`: of an error, or of a reason that a person or a queue has.
use crate::args::Global;
use crate::fail::{End, usage};
use crate::out;
use caravan_model::reasons::{self, Meaning};
use caravan_model::{Code, Problem};
use serde_json::{Value, json};

/// Prints the page of a code, or the list of all.
pub fn explain(global: &Global, code: Option<&str>) -> anyhow::Result<End> {
    let Some(text) = code else {
        if global.json {
            let errors = Code::ALL.iter().map(|code| json!({"code": code, "title": code.title()}));
            let reasons = reasons::ALL.iter().map(|meaning| json!({"code": meaning.code, "title": meaning.words}));
            out::print_json(&errors.chain(reasons).collect::<Vec<Value>>())?;
        } else {
            out::print(&list())?;
        }
        return Ok(End::Done);
    };
    match find(text)? {
        Found::Error(code) if global.json => {
            out::print_json(&json!({"code": code, "title": code.title(), "page": code.page()}))?;
        }
        Found::Error(code) => out::print(code.page())?,
        Found::Reason(meaning) if global.json => out::print_json(meaning)?,
        Found::Reason(meaning) => out::print(&page(meaning))?,
    }
    Ok(End::Done)
}

/// What a text names.
enum Found {
    Error(Code),
    Reason(&'static Meaning),
}

fn find(text: &str) -> Result<Found, Problem> {
    if let Some(meaning) = reasons::of_code(&text.to_lowercase()) {
        return Ok(Found::Reason(meaning));
    }
    let code = text.parse().map_err(|words: String| usage(words, "run `caravan explain` for the list"))?;
    Ok(Found::Error(code))
}

fn list() -> String {
    let errors = Code::ALL.iter().map(|code| vec![code.to_string(), code.title().to_owned()]);
    let reasons = reasons::ALL.iter().map(|meaning| vec![meaning.code.to_owned(), meaning.words.to_owned()]);
    let (errors, reasons): (Vec<_>, Vec<_>) = (errors.collect(), reasons.collect());
    format!("{}\n{}", out::table(&["ERROR", ""], &errors), out::table(&["REASON", ""], &reasons))
}

/// A reason's page: what it means, what to do, and where more stands.
fn page(meaning: &Meaning) -> String {
    let mut text = format!("# {}: {}\n\n**What to do.** {}.\n", meaning.code, meaning.words, meaning.cure);
    if let Some(code) = meaning.page {
        text.push_str(&format!("\n`{} explain {code}` tells more.\n", out::called()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_and_reason_is_listed_and_found() {
        let list = list();
        for code in Code::ALL {
            assert!(
                list.contains(code.as_str())
                    && matches!(find(code.as_str()), Ok(Found::Error(found)) if found == *code)
            );
        }
        for meaning in reasons::ALL {
            let Ok(Found::Reason(found)) = find(&meaning.code.to_uppercase()) else { panic!("{}", meaning.code) };
            assert_eq!(found, meaning);
            assert!(list.contains(meaning.code) && page(meaning).contains(meaning.cure), "{}", meaning.code);
        }
        assert!(matches!(find("partner:2650"), Ok(Found::Reason(meaning)) if meaning.code == reasons::PARTNER));
        assert_eq!(find("no-such-reason").err().map(|problem| problem.code), Some(Code::Usage));
    }
}
