//! Questions and answers as a merchant writes them: one Markdown file, each question a heading of level 2.

use crate::domain::Question;
use crate::limits;

/// Why a file of questions is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionsError {
    /// Text before the first heading.
    #[error("line {0}: text before the first question: write each question as `## question`")]
    Before(usize),
    /// A heading without a text.
    #[error("line {0}: a question is `## ` and 1 to {max} bytes", max = limits::QUESTION_BYTES_MAX)]
    Question(usize),
    /// A heading without an answer.
    #[error("line {0}: this question has no answer: write it below")]
    Unanswered(usize),
    /// Too long.
    #[error("line {0}: an answer has at most {max} bytes", max = limits::ANSWER_BYTES_MAX)]
    Answer(usize),
    /// Too many.
    #[error("a product answers at most {} questions", limits::QUESTIONS_MAX)]
    TooMany,
    /// The file as a whole.
    #[error(
        "questions and answers have at most {} bytes",
        limits::QUESTIONS_BYTES_MAX
    )]
    Bytes,
}

/// Reads a file of questions: each `## question` is followed by its answer in Markdown. Headings within a fenced block (```` ``` ````)
/// are part of the answer. An empty file is no questions.
///
/// # Errors
/// [`QuestionsError`], with the line counted from 1.
pub fn read_questions(markdown: &str) -> Result<Vec<Question>, QuestionsError> {
    if markdown.len() > limits::QUESTIONS_BYTES_MAX {
        return Err(QuestionsError::Bytes);
    }
    let mut questions: Vec<(usize, Question)> = Vec::new();
    let mut in_fence = false;
    let lines = markdown.trim_start_matches('\u{feff}').lines();
    for (at, line) in lines.enumerate().map(|(at, line)| (at + 1, line)) {
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        match (heading(line).filter(|_| !in_fence), questions.last_mut()) {
            (Some(question), _) => {
                let question = asked(question).ok_or(QuestionsError::Question(at))?;
                questions.push((at, question));
            }
            (None, Some((_, question))) => {
                question.answer.push_str(line);
                question.answer.push('\n');
            }
            (None, None) if line.trim().is_empty() => {}
            (None, None) => return Err(QuestionsError::Before(at)),
        }
    }
    if questions.len() > limits::QUESTIONS_MAX {
        return Err(QuestionsError::TooMany);
    }
    questions.into_iter().map(answered).collect()
}

/// The file that [`read_questions`] reads.
pub fn write_questions(questions: &[Question]) -> String {
    let written = questions
        .iter()
        .map(|each| format!("## {}\n\n{}\n", each.question, each.answer));
    written.collect::<Vec<_>>().join("\n")
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("##")?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| rest.trim())
}

fn asked(text: &str) -> Option<Question> {
    let fits = (1..=limits::QUESTION_BYTES_MAX).contains(&text.len());
    (fits && !text.chars().any(char::is_control)).then(|| Question {
        question: text.to_owned(),
        answer: String::new(),
    })
}

fn answered((at, mut question): (usize, Question)) -> Result<Question, QuestionsError> {
    let answer = question.answer.trim();
    if answer.is_empty() {
        return Err(QuestionsError::Unanswered(at));
    }
    if answer.len() > limits::ANSWER_BYTES_MAX {
        return Err(QuestionsError::Answer(at));
    }
    question.answer = answer.to_owned();
    Ok(question)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_heading_is_a_question_and_what_follows_its_answer() {
        let text = "\u{feff}\n## 多久发货？\r\n\r\n几秒。\r\n\n```\n## not a question\n```\n## Refunds?\n### How\nAsk *us*.";
        let read = read_questions(text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].question, "多久发货？");
        assert_eq!(read[0].answer, "几秒。\n\n```\n## not a question\n```");
        assert_eq!(read[1].answer, "### How\nAsk *us*.");
        assert_eq!(read_questions(&write_questions(&read)).unwrap(), read);
        assert_eq!(read_questions(" \n").unwrap(), []);
    }

    #[test]
    fn a_file_that_is_none_is_refused_at_its_line() {
        use QuestionsError::*;
        let cases = [
            ("Hello\n## a\nb".to_owned(), Before(1)),
            ("# Title\n## a\nb".to_owned(), Before(1)),
            ("##\nb".to_owned(), Question(1)),
            (format!("## {}\nb", "a".repeat(257)), Question(1)),
            ("## a\nb\n## c\n\n".to_owned(), Unanswered(3)),
            (format!("\n## a\n{}", "b".repeat(4_097)), Answer(2)),
            ("## a\nb\n".repeat(31), TooMany),
            ("a".repeat(32 * 1024 + 1), Bytes),
        ];
        for (text, expected) in cases {
            assert_eq!(read_questions(&text).unwrap_err(), expected);
        }
        assert_eq!(read_questions(&"## a\nb\n".repeat(30)).unwrap().len(), 30);
    }
}
