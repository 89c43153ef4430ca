//! Canvases: YAML or JSON that people write.
use caravan_journey::document::{Document, format_canvas, read_canvas, read_connections, read_policy, read_segment};
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::validate::{Facts, validate};
use caravan_model::{Canvas, Problem};

/// Whatever the text is, reading it ends with a canvas or with a problem at a line of it. A canvas that is printed and
/// read again is the same, printing it twice gives the same text, and one without problems can be walked.
///
/// # Panics
/// It does not hold.
pub fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A carriage return alone ends a line of YAML too.
    let ends = text.replace("\r\n", "\n").matches(['\n', '\r']).count();
    let lines = u32::try_from(ends + 1).unwrap_or(u32::MAX);
    let told = |problem: &Problem| {
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem} is not within {lines} lines");
        assert!(!problem.message.is_empty());
    };
    // Other documents of the same reader.
    [read_connections("c", &text).err(), read_policy("p", &text).err(), read_segment("s", &text).err()]
        .iter()
        .flatten()
        .for_each(told);
    let document = match read_canvas("canvas.yaml", &text) {
        Ok(document) => document,
        Err(problem) => return told(&problem),
    };
    let problems = validate(&document, &Facts::default());
    problems.iter().for_each(told);
    if problems.is_empty() {
        CompiledCanvas::new(&document.value).expect("a canvas without problems can be walked");
    }
    let canvas = &document.value;
    let printed = format_canvas(canvas).expect("a canvas can be printed");
    let again = read(&printed);
    assert_eq!(again.value, *canvas, "printing changes nothing:\n{printed}");
    assert_eq!(format_canvas(&again.value).expect("printed"), printed, "and is the same twice");
    let json = serde_json::to_string(canvas).expect("JSON");
    assert_eq!(read(&json).value, *canvas, "and so is JSON:\n{json}");
}

fn read(text: &str) -> Document<Canvas> {
    read_canvas("printed.yaml", text).unwrap_or_else(|problem| panic!("{problem}:\n{text}"))
}
