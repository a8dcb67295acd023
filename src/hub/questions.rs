//! What others want to know of the objects. The loop answers between two steps, so each answer is
//! short and true at one moment.

use super::core::{Core, Outline, Waiting};
use crate::identity::ObjectKey;
use tokio::sync::{mpsc, oneshot};

/// Most objects of one question, as many as the loop looks at in one step for itself (`core/refresh.rs`).
pub const AT_ONCE: usize = 256;

/// A question, and where its answer goes.
#[derive(Debug)]
pub enum Question {
    /// How many objects there are in each state, and which are not done.
    Outline(oneshot::Sender<Outline>),
    /// The words about these objects, at most [`AT_ONCE`].
    Words(Vec<ObjectKey>, oneshot::Sender<Vec<Waiting>>),
}

/// Asks the loop.
#[derive(Clone, Debug)]
pub struct Questions(mpsc::Sender<Question>);

impl Questions {
    /// Returns the two ends. One question waits at most.
    pub fn channel() -> (Self, mpsc::Receiver<Question>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    /// Returns all objects, without a text. `None` if the loop has ended.
    pub async fn outline(&self) -> Option<Outline> {
        let (sender, answer) = oneshot::channel();
        self.0.send(Question::Outline(sender)).await.ok()?;
        answer.await.ok()
    }

    /// Returns the words about these objects. `None` if the loop has ended.
    pub async fn words(&self, keys: Vec<ObjectKey>) -> Option<Vec<Waiting>> {
        let (sender, answer) = oneshot::channel();
        self.0.send(Question::Words(keys, sender)).await.ok()?;
        answer.await.ok()
    }
}

/// Answers a question. Whoever asked may be gone by now.
pub(super) fn answer(core: &Core, question: Question) {
    match question {
        Question::Outline(sender) => {
            let _ = sender.send(core.outline());
        }
        Question::Words(mut keys, sender) => {
            keys.truncate(AT_ONCE);
            let _ = sender.send(core.words(&keys, jiff::Timestamp::now().as_second()));
        }
    }
}
