//! Asks devices that may never answer, each on a thread of its own, within a limit: one that hangs delays
//! only itself, and never has more than one thread.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What came of asking one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It answered.
    Answered(T),
    /// It has not answered, since it was asked this long ago; perhaps at an earlier reading.
    Late(Duration),
    /// Its thread could not be started, or panicked; a sentence.
    Lost(String),
}

/// One question: runs on a thread with the rights of the one that asks.
pub type Question<T> = Box<dyn FnOnce() -> T + Send>;

/// Remembers who has not answered yet.
#[derive(Debug)]
pub struct Isolated<K> {
    asked: HashMap<K, (Instant, JoinHandle<()>)>,
}

impl<K> Default for Isolated<K> {
    fn default() -> Self {
        Self {
            asked: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Isolated<K> {
    /// Asks all, no more than `parallel` at a time, and waits for each no longer than `limit`. One that still
    /// has not answered an earlier question is not asked again. Answers come in the order of the questions;
    /// one that comes too late is thrown away.
    pub fn ask<T: Send + 'static>(
        &mut self,
        questions: Vec<(K, Question<T>)>,
        limit: Duration,
        parallel: usize,
    ) -> Vec<(K, Answer<T>)> {
        self.asked.retain(|_, (_, thread)| !thread.is_finished());
        let (send, receive) = channel();
        let mut answers: Vec<(K, Option<Answer<T>>)> = Vec::with_capacity(questions.len());
        let mut waiting = VecDeque::new();
        for (index, (key, question)) in questions.into_iter().enumerate() {
            let late = self.asked.get(&key);
            answers.push((key, late.map(|(since, _)| Answer::Late(since.elapsed()))));
            if answers[index].1.is_none() {
                waiting.push_back((index, question));
            }
        }
        let mut active: Vec<(usize, Instant)> = Vec::new();
        loop {
            while active.len() < parallel.max(1)
                && let Some((index, question)) = waiting.pop_front()
            {
                let send = send.clone();
                let began = Instant::now();
                let thread = std::thread::Builder::new()
                    .name("device".into())
                    .stack_size(256 << 10)
                    .spawn(move || {
                        let answer = catch_unwind(AssertUnwindSafe(question)).ok();
                        // Who asked has stopped waiting.
                        let _ = send.send((index, answer));
                    });
                match thread {
                    Ok(thread) => {
                        active.push((index, began));
                        self.asked.insert(answers[index].0.clone(), (began, thread));
                    }
                    Err(error) => {
                        let lost = Answer::Lost(format!("cannot start a thread: {error}"));
                        answers[index].1 = Some(lost);
                    }
                }
            }
            let Some(first) = active.iter().map(|(_, began)| *began).min() else {
                break;
            };
            let left = limit.saturating_sub(first.elapsed());
            match receive.recv_timeout(left) {
                Ok((index, answer)) => {
                    // Its thread has nothing left to do but to end, for which nobody need wait.
                    self.asked.remove(&answers[index].0);
                    let was_active = active.len();
                    active.retain(|(other, _)| *other != index);
                    if active.len() < was_active {
                        answers[index].1 = Some(answer.map_or_else(
                            || Answer::Lost("the reading panicked; please report it".into()),
                            Answer::Answered,
                        ));
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    active.retain(|(index, began)| {
                        let is_late = began.elapsed() >= limit;
                        if is_late {
                            answers[*index].1 = Some(Answer::Late(began.elapsed()));
                        }
                        !is_late
                    });
                }
            }
        }
        answers
            .into_iter()
            .map(|(key, answer)| (key, answer.unwrap_or(Answer::Late(limit))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    fn at_once(answer: u32) -> Question<u32> {
        Box::new(move || answer)
    }

    fn when_told(answer: u32) -> (Sender<()>, Question<u32>) {
        let (tell, told): (_, Receiver<()>) = channel();
        let wait = move || {
            let _ = told.recv();
            answer
        };
        (tell, Box::new(wait))
    }

    #[test]
    fn one_that_hangs_delays_only_itself_and_is_asked_again_when_it_is_back() {
        // However busy the machine is, some limit is long enough for those that answer at once.
        let mut limit = Duration::from_millis(50);
        let (mut isolated, tell) = loop {
            let mut isolated = Isolated::default();
            let (tell, hangs) = when_told(1);
            let questions = vec![("a", hangs), ("b", at_once(2)), ("c", at_once(3))];
            let answers = isolated.ask(questions, limit, 1);
            assert!(matches!(answers[0], ("a", Answer::Late(_))));
            if answers[1..] == [("b", Answer::Answered(2)), ("c", Answer::Answered(3))] {
                break (isolated, tell);
            }
            limit *= 2;
            assert!(limit < LONG, "it delays the others: {answers:?}");
        };

        let answers = isolated.ask(vec![("a", at_once(4)), ("b", at_once(5))], LONG, 8);
        assert!(
            matches!(answers[0], ("a", Answer::Late(_))),
            "not asked twice"
        );
        assert_eq!(answers[1], ("b", Answer::Answered(5)));

        drop(tell);
        let back = loop {
            let mut answers = isolated.ask(vec![("a", at_once(6))], LONG, 8);
            if let (_, Answer::Answered(answer)) = answers.remove(0) {
                break answer;
            }
            std::thread::yield_now();
        };
        assert_eq!(back, 6, "the late answer is not taken for a new one");
    }

    #[test]
    fn one_that_has_answered_is_asked_again_at_once() {
        let mut isolated = Isolated::default();
        for n in 0..500 {
            let answers = isolated.ask(vec![((), at_once(n))], LONG, 8);
            assert_eq!(answers, [((), Answer::Answered(n))]);
        }
    }

    #[test]
    fn one_that_panics_is_lost_and_asked_again() {
        let mut isolated = Isolated::default();
        let panics: Question<u32> = Box::new(|| std::panic::resume_unwind(Box::new(())));
        let answers = isolated.ask(vec![(1, panics), (2, at_once(2))], LONG, 8);
        assert!(matches!(answers[0].1, Answer::Lost(_)));
        assert_eq!(answers[1].1, Answer::Answered(2));
    }
}
