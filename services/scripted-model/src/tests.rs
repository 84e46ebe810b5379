use super::*;

fn said(prompt: &Prompt) -> String {
    ScriptedModel::default().answer(prompt).unwrap().iter().fold(String::new(), |mut text, step| {
        if let Part::Text(piece) = &step.part {
            text.push_str(piece);
        }
        text
    })
}

#[test]
fn echo_gives_the_rest_unchanged() {
    for rest in ["hello", "  two  blanks ", "שלום 👩‍👩‍👧 文字", "", "line\nbreak "] {
        assert_eq!(said(&Prompt::new(format!("echo {rest}"))), rest);
    }
}

#[test]
fn an_answer_comes_in_pieces_with_pauses() {
    let steps = ScriptedModel::default().answer(&Prompt::new("one two three")).unwrap();
    assert!(steps.len() > 3, "{steps:?}");
    assert!(steps.iter().all(|step| step.after == Pace::default().piece));
}

#[test]
fn a_huge_answer_has_few_pieces() {
    for word in ["word ".repeat(20_000), "x".repeat(100_000)] {
        let steps = ScriptedModel::default().answer(&Prompt::new(format!("echo {word}"))).unwrap();
        assert!(steps.len() <= Pace::default().pieces, "{}", steps.len());
    }
}

#[test]
fn weather_asks_for_the_tool_and_says_its_result() {
    let mut prompt = Prompt::new("What is the weather in São Paulo?");
    let steps = ScriptedModel::default().answer(&prompt).unwrap();
    let call = ToolCall { name: "weather".into(), arguments: vec![("city".into(), "São Paulo".into())] };
    assert_eq!(steps.last().map(|step| &step.part), Some(&Part::Tool(call)));
    prompt.results.push("São Paulo: 30 °C".into());
    assert!(said(&prompt).contains("São Paulo: 30 °C"));
}

#[test]
fn fail_twice_answers_at_the_third_attempt() {
    let prompt = Prompt::new("fail twice, please");
    for attempt in 1..=2 {
        assert!(ScriptedModel::default().answer(&prompt.clone().with_attempt(attempt)).is_err());
    }
    assert!(said(&prompt.with_attempt(3)).contains("fail twice, please"));
}

#[test]
fn fail_always_never_answers_and_fail_is_an_ordinary_word() {
    for attempt in [1, 3, 9] {
        assert!(ScriptedModel::default().answer(&Prompt::new("fail always").with_attempt(attempt)).is_err());
    }
    assert!(said(&Prompt::new("fail safe")).contains("fail safe"));
}

#[test]
fn a_long_answer_is_over_four_kilobytes() {
    assert!(said(&Prompt::new("long story")).len() > 4096);
}

#[test]
fn anything_else_is_answered_with_its_whole_text() {
    let text = "👩‍👩‍👧 e\u{301} مرحبا\u{200f} 漢字 ".repeat(3000);
    assert!(said(&Prompt::new(text.clone())).contains(&text));
    assert!(!said(&Prompt::new("")).is_empty());
}

#[test]
fn files_come_back_behind_the_text() {
    let steps = ScriptedModel::default().answer(&Prompt::new("see these").with_files(2)).unwrap();
    let parts: Vec<_> = steps.iter().rev().take(3).map(|step| &step.part).collect();
    assert!(matches!(parts[..], [Part::File(1), Part::File(0), Part::Text(_)]), "{parts:?}");
}

#[test]
fn the_same_prompt_gets_the_same_answer() {
    let prompt = Prompt::new("long but the same").with_files(1);
    assert_eq!(ScriptedModel::default().answer(&prompt), ScriptedModel::default().answer(&prompt));
}
