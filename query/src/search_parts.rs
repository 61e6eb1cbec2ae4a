//! A search whose hits are shown while it goes on.

use std::time::{Duration, Instant};

use hoptrail_proto::model::Tenants;
use hoptrail_storage::{SearchAnswer, SearchPart, SearchRequest, clock};
use tokio::sync::mpsc::Sender;

use crate::service::Answer;
use crate::{Error, Service};

/// How often there are news.
const PACE: Duration = Duration::from_millis(100);

impl Service {
    /// The search of [`Service::search`]. Hits go to `parts` as soon as they are certain, the first ones at once and others every tenth
    /// of a second, whenever it has room. The answer has those that are left.
    pub async fn search_in_parts(
        &self,
        tenants: impl Into<Tenants>,
        request: SearchRequest,
        parts: Sender<SearchPart>,
    ) -> Result<Answer<SearchAnswer>, Error> {
        let mut news = News::to(parts);
        self.run("search", tenants.into(), move |reader, tenant, context| {
            let mut take = |part| {
                news.add(part);
                Ok(())
            };
            let rest = reader.search_in_parts(tenant, &request, context, &mut take)?;
            Ok(news.before(rest))
        })
        .await
    }
}

/// What the reader of the parts has not got yet.
struct News {
    parts: Sender<SearchPart>,
    next: SearchPart,
    /// When it last got something, or when the search began.
    last: Instant,
    is_first: bool,
}

impl News {
    fn to(parts: Sender<SearchPart>) -> Self {
        Self { parts, next: SearchPart::default(), last: clock::instant(), is_first: true }
    }

    fn add(&mut self, mut part: SearchPart) {
        self.next.hits.append(&mut part.hits);
        self.next = SearchPart { hits: std::mem::take(&mut self.next.hits), ..part };
        let are_due = self.is_first && !self.next.hits.is_empty() || self.last.elapsed() >= PACE;
        if let Some(room) = are_due.then(|| self.parts.try_reserve().ok()).flatten() {
            room.send(std::mem::take(&mut self.next));
            (self.last, self.is_first) = (clock::instant(), false);
        }
    }

    /// What is left of the parts, and then the answer.
    fn before(self, mut answer: SearchAnswer) -> SearchAnswer {
        let mut hits = self.next.hits;
        hits.append(&mut answer.hits);
        SearchAnswer { hits, ..answer }
    }
}
