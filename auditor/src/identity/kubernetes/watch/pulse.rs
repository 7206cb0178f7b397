//! Whether the API server still answers.
//!
//! Goes in: a client, asked for the server's version now and then. Comes out: that the server fell silent while a watch
//! takes itself for right, and that it is back. Any answer is one, also a refusal.

use std::{future::Future, time::Duration};

use kube::Client;
use tokio::time;

use super::Status;

/// Between two questions.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Questions in a row that have to stay without answer.
const MISSES: u32 = 2;

/// What became of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    Silent,
    Back,
}

/// What is known of the server, also while watches start anew.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    misses: u32,
    is_silent: bool,
}

impl Pulse {
    /// Waits until there is something new. It may be given up at any time.
    pub(super) async fn news(&mut self, client: &Client, status: &Status) -> News {
        let answers = || async {
            let answer = time::timeout(PATIENCE, client.apiserver_version()).await;
            matches!(answer, Ok(Ok(_) | Err(kube::Error::Api(_))))
        };
        let pause = || time::sleep(INTERVAL);
        self.listen(pause, answers, || status.is_any_right()).await
    }

    async fn listen<P: Future<Output = ()>, A: Future<Output = bool>>(
        &mut self,
        pause: impl Fn() -> P,
        answers: impl Fn() -> A,
        is_any_right: impl Fn() -> bool,
    ) -> News {
        loop {
            // What was not answered is asked again at once.
            if self.misses == 0 || self.is_silent {
                pause().await;
            }
            if answers().await {
                self.misses = 0;
                if std::mem::take(&mut self.is_silent) {
                    return News::Back;
                }
            } else if self.misses + 1 < MISSES {
                self.misses += 1;
            } else {
                self.misses = 0;
                // A watch that failed has told so itself, and goes on trying.
                if is_any_right() {
                    self.is_silent = true;
                    return News::Silent;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures_util::FutureExt as _;

    use super::*;

    /// Listens to a server that answers as written and then never; what was news, and after how many seconds.
    fn heard(answers: &[bool], is_any_right: bool) -> Vec<(News, u64)> {
        let (asked, clock, right) = (Cell::new(0), Cell::new(Duration::ZERO), Cell::new(is_any_right));
        let news = RefCell::new(Vec::new());
        let pause = || async { clock.set(clock.get() + INTERVAL) };
        let ask = || async {
            let Some(answer) = answers.get(asked.get()) else {
                return std::future::pending().await;
            };
            asked.set(asked.get() + 1);
            if !answer {
                clock.set(clock.get() + PATIENCE);
            }
            *answer
        };
        let mut pulse = Pulse::default();
        let all = async {
            loop {
                let one = pulse.listen(pause, ask, || right.get()).await;
                // Watches that started anew are right again once the server is back.
                right.set(one == News::Back);
                news.borrow_mut().push((one, clock.get().as_secs()));
            }
        };
        let over: Option<()> = all.now_or_never();
        assert!(over.is_none() && asked.get() == answers.len());
        news.into_inner()
    }

    #[test]
    fn two_questions_without_answer_are_silence_and_the_next_answer_ends_it() {
        let (yes, no) = (true, false);
        assert_eq!(heard(&[yes, yes, yes], true), []);
        assert_eq!(heard(&[yes, no, yes, no, yes], true), []);
        assert_eq!(heard(&[no, no], true), [(News::Silent, 20)]);
        // Once, however long it lasts.
        let down = [no, no, no, no, no, no, yes, yes];
        assert_eq!(heard(&down, true), [(News::Silent, 20), (News::Back, 90)]);
        assert_eq!(heard(&[no, no, no, no, yes], false), []);
        let hour = [vec![no; 240], vec![yes]].concat();
        assert_eq!(heard(&hour, true).len(), 2);
    }
}
