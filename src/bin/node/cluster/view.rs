//! What is known about the members, and what of it is news.
//!
//! A pure machine: answers and ends go in, news come out. It counts rounds of questions and reads no clock.

use raftwright::raft::NodeId;

use super::commands::Commands;
use super::poll::Answer;
use crate::identity;
use crate::local::LocalMember;

/// After how many rounds without an answer a member counts as silent: about a second.
const ROUNDS_UNTIL_SILENT: u32 = 4;
/// After how many rounds without a leader that is worth a line: about three seconds, in which an election should end.
const ROUNDS_UNTIL_LEADERLESS: u32 = 12;
/// How many answers in a row prove that a member is back after its process ended: one may have been on its way.
const ANSWERS_UNTIL_BACK: u32 = 2;

/// All members.
pub struct View {
    members: Vec<MemberView>,
    /// Who leads at which term, as the answers of the highest term say.
    leader: Option<(NodeId, u64)>,
    leaderless_rounds: u32,
    rounds: u32,
    settled: bool,
}

/// One member.
pub struct MemberView {
    /// Which.
    pub member: LocalMember,
    /// Its id.
    pub id: NodeId,
    /// Its process, as long as that is a child of this one.
    pub pid: Option<u32>,
    presence: Presence,
    answered_once: bool,
    last_answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Starting,
    Answering { missed: u32 },
    Silent,
    Ended { answers: u32 },
}

/// Something worth a line, or a table.
#[derive(Debug, PartialEq, Eq)]
pub enum News {
    /// All have had the time to start: show who listens where. It comes once.
    Settled,
    /// There is a leader, another one or at another term.
    Leader { name: String, term: u64 },
    /// For some seconds nobody has known a leader.
    NoLeader { answering: usize, size: usize },
    /// A child has ended.
    Ended { member: LocalMember, how: String },
    /// A member lives and does not answer.
    Silent { member: LocalMember },
    /// A member answers again. If its process had ended, somebody has started it elsewhere.
    Back { member: LocalMember, elsewhere: bool },
}

impl View {
    /// The members with their processes, all just started.
    pub fn new(members: impl Iterator<Item = (LocalMember, u32)>) -> View {
        let new = |(member, pid): (LocalMember, u32)| MemberView {
            member,
            id: identity::member_id(&[member.peer_url()], identity::DEFAULT_TOKEN),
            pid: Some(pid),
            presence: Presence::Starting,
            answered_once: false,
            last_answer: None,
        };
        View {
            members: members.map(new).collect(),
            leader: None,
            leaderless_rounds: 0,
            rounds: 0,
            settled: false,
        }
    }

    /// The members in order.
    pub fn members(&self) -> &[MemberView] {
        &self.members
    }

    /// Who leads.
    pub fn leader(&self) -> Option<&MemberView> {
        let (leader, _) = self.leader?;
        self.members.iter().find(|member| member.id == leader)
    }

    /// Whether all processes have ended and none of them ever answered.
    pub fn nobody_ever_started(&self) -> bool {
        let failed =
            |member: &MemberView| matches!(member.presence, Presence::Ended { .. }) && !member.answered_once;
        self.members.iter().all(failed)
    }

    /// What a member is, in a word or two.
    pub fn role(&self, member: &MemberView) -> &'static str {
        match (member.presence, member.last_answer) {
            (Presence::Starting, _) => "starting",
            (Presence::Silent, _) => "silent",
            (Presence::Ended { .. }, _) => "ended",
            (Presence::Answering { .. }, Some(Answer { leader: Some(_), .. })) => {
                if self.leader.is_some_and(|(leader, _)| leader == member.id) { "leader" } else { "follower" }
            }
            (Presence::Answering { .. }, _) => "no leader",
        }
    }

    /// Takes notice that a child has ended.
    pub fn ended(&mut self, member: LocalMember, how: String) -> Vec<News> {
        for known in self.members.iter_mut().filter(|known| known.member == member) {
            known.presence = Presence::Ended { answers: 0 };
            known.last_answer = None;
            known.pid = None;
        }
        vec![News::Ended { member, how }]
    }

    /// Takes in one round of answers, in the members' order.
    pub fn seen(&mut self, answers: &[Option<Answer>]) -> Vec<News> {
        let mut news = Vec::new();
        for (member, answer) in self.members.iter_mut().zip(answers) {
            news.extend(member.seen(*answer));
        }
        news.extend(self.judge_leadership());
        self.rounds = self.rounds.saturating_add(1);
        let all_there = self.members.iter().all(|member| member.presence != Presence::Starting);
        if !self.settled && (all_there && self.leader.is_some() || self.rounds >= ROUNDS_UNTIL_LEADERLESS) {
            self.settled = true;
            news.push(News::Settled);
        }
        news
    }

    /// The answers of the highest term say who leads: a deposed leader that has not heard of it is of an older one.
    fn judge_leadership(&mut self) -> Option<News> {
        let answers = self.members.iter().filter_map(|member| member.last_answer);
        let newest = answers.filter_map(|answer| Some((answer.term, answer.leader?))).max();
        let Some((term, leader)) = newest else {
            self.leaderless_rounds = self.leaderless_rounds.saturating_add(1);
            if self.leaderless_rounds != ROUNDS_UNTIL_LEADERLESS {
                return None;
            }
            self.leader = None;
            let answering = self.members.iter().filter(|member| member.last_answer.is_some()).count();
            return Some(News::NoLeader { answering, size: self.members.len() });
        };
        self.leaderless_rounds = 0;
        if self.leader == Some((leader, term)) {
            return None;
        }
        self.leader = Some((leader, term));
        let name = self.leader().map_or_else(|| format!("member {leader}"), |leader| leader.member.name());
        Some(News::Leader { name, term })
    }
}

impl MemberView {
    fn seen(&mut self, answer: Option<Answer>) -> Option<News> {
        // An impostor on the member's port is not the member.
        let answer = answer.filter(|answer| answer.member == self.id);
        let member = self.member;
        let (presence, news) = match (self.presence, answer) {
            (Presence::Ended { answers }, Some(_)) if answers + 1 < ANSWERS_UNTIL_BACK => {
                (Presence::Ended { answers: answers + 1 }, None)
            }
            (Presence::Ended { .. }, Some(_)) => {
                (Presence::Answering { missed: 0 }, Some(News::Back { member, elsewhere: true }))
            }
            (Presence::Ended { .. }, None) => (Presence::Ended { answers: 0 }, None),
            (Presence::Silent, Some(_)) => {
                (Presence::Answering { missed: 0 }, Some(News::Back { member, elsewhere: false }))
            }
            (_, Some(_)) => (Presence::Answering { missed: 0 }, None),
            (Presence::Answering { missed }, None) if missed + 1 < ROUNDS_UNTIL_SILENT => {
                (Presence::Answering { missed: missed + 1 }, None)
            }
            (Presence::Answering { .. }, None) => (Presence::Silent, Some(News::Silent { member })),
            (unheard, None) => (unheard, None),
        };
        self.presence = presence;
        match presence {
            Presence::Answering { missed: 0 } => {
                self.answered_once = true;
                self.last_answer = answer;
            }
            Presence::Answering { .. } => {}
            Presence::Starting | Presence::Silent | Presence::Ended { .. } => self.last_answer = None,
        }
        news
    }
}

impl News {
    /// The news in words for people.
    pub fn sentence(&self, commands: &Commands) -> String {
        match self {
            News::Settled => "this is where the members listen:".to_owned(),
            News::Leader { name, term } => format!("{name} leads at term {term}"),
            News::NoLeader { answering, size } => {
                let quorum = size / 2 + 1;
                format!("no leader: {answering} of {size} members answer, and it takes {quorum} to elect one")
            }
            News::Ended { member, how } => format!(
                "{} has ended ({how}); start it again, in another terminal: {}",
                member.name(),
                commands.restart(*member)
            ),
            News::Silent { member } => format!("{} does not answer", member.name()),
            News::Back { member, elsewhere: false } => format!("{} answers again", member.name()),
            News::Back { member, elsewhere: true } => format!(
                "{} answers again; it was started elsewhere, so Ctrl-C here does not stop it",
                member.name()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View::new(LocalMember::all(3).map(|member| (member, 100 + u32::from(member.id()))))
    }

    fn member(number: u64) -> LocalMember {
        LocalMember::new(number, 3).expect("one of three")
    }

    fn id(number: u64) -> NodeId {
        identity::member_id(&[member(number).peer_url()], identity::DEFAULT_TOKEN)
    }

    /// One round: of each member its term and its leader, or nothing.
    fn round(view: &mut View, answers: [Option<(u64, Option<u64>)>; 3]) -> Vec<News> {
        let answers: Vec<Option<Answer>> = (1..)
            .zip(answers)
            .map(|(number, answer)| {
                answer.map(|(term, leader)| Answer { member: id(number), term, leader: leader.map(id) })
            })
            .collect();
        view.seen(&answers)
    }

    fn leads(number: u64, term: u64) -> News {
        News::Leader { name: member(number).name(), term }
    }

    fn roles(view: &View) -> Vec<&'static str> {
        view.members().iter().map(|member| view.role(member)).collect()
    }

    #[test]
    fn a_leader_is_news_once_a_term_and_the_table_comes_when_all_are_there() {
        let mut view = view();
        assert_eq!(round(&mut view, [Some((0, None)), None, None]), []);
        assert_eq!(roles(&view), ["no leader", "starting", "starting"]);
        let settled = [Some((1, Some(2))), Some((1, Some(2))), Some((1, Some(2)))];
        assert_eq!(round(&mut view, [settled[0], settled[1], None]), [leads(2, 1)]);
        assert_eq!(round(&mut view, settled), [News::Settled]);
        assert_eq!(roles(&view), ["follower", "leader", "follower"]);
        assert_eq!(round(&mut view, settled), []);
        assert_eq!(round(&mut view, [Some((2, Some(3))), Some((1, Some(2))), None]), [leads(3, 2)]);
        assert_eq!(view.leader().map(|leader| leader.member), Some(member(3)));
    }

    #[test]
    fn a_killed_member_is_reported_and_is_back_after_two_answers() {
        let mut view = view();
        let all = [Some((1, Some(1))); 3];
        round(&mut view, all);
        assert_eq!(
            view.ended(member(3), "killed".into()),
            [News::Ended { member: member(3), how: "killed".into() }]
        );
        assert_eq!(round(&mut view, all), [], "an answer that was on its way brings nobody back");
        assert_eq!(round(&mut view, [all[0], all[1], None]), []);
        assert_eq!(roles(&view), ["leader", "follower", "ended"]);
        assert_eq!(view.members()[2].pid, None);
        round(&mut view, all);
        assert_eq!(round(&mut view, all), [News::Back { member: member(3), elsewhere: true }]);
        assert_eq!(roles(&view), ["leader", "follower", "follower"]);
    }

    #[test]
    fn a_member_that_stands_still_is_silent_after_a_while_and_back_at_its_first_answer() {
        let mut view = view();
        let all = [Some((1, Some(1))); 3];
        let two = [all[0], None, all[2]];
        round(&mut view, all);
        for _ in 1..ROUNDS_UNTIL_SILENT {
            assert_eq!(round(&mut view, two), []);
        }
        assert_eq!(round(&mut view, two), [News::Silent { member: member(2) }]);
        assert_eq!(round(&mut view, two), []);
        assert_eq!(round(&mut view, all), [News::Back { member: member(2), elsewhere: false }]);
    }

    #[test]
    fn a_lost_quorum_is_news_once_and_the_same_leader_after_it_is_news_again() {
        let mut view = view();
        let all = [Some((4, Some(1))); 3];
        round(&mut view, all);
        let alone = [Some((4, None)), None, None];
        let news: Vec<News> =
            (0..3 * ROUNDS_UNTIL_LEADERLESS).flat_map(|_| round(&mut view, alone)).collect();
        let lost: Vec<&News> = news.iter().filter(|item| matches!(item, News::NoLeader { .. })).collect();
        assert_eq!(lost, [&News::NoLeader { answering: 1, size: 3 }]);
        assert!(round(&mut view, all).contains(&leads(1, 4)));
    }

    #[test]
    fn if_all_ended_and_none_ever_answered_nobody_started() {
        let mut view = view();
        for number in 1..=3 {
            assert!(!view.nobody_ever_started());
            view.ended(member(number), "exit status: 1".into());
        }
        assert!(view.nobody_ever_started());
        let mut view = super::tests::view();
        round(&mut view, [Some((1, None)), None, None]);
        (1..=3).for_each(|number| drop(view.ended(member(number), String::new())));
        assert!(!view.nobody_ever_started());
    }

    #[test]
    fn if_a_member_is_missing_the_table_comes_after_a_while() {
        let mut view = view();
        let news: Vec<News> = (0..3 * ROUNDS_UNTIL_LEADERLESS)
            .flat_map(|_| round(&mut view, [Some((1, None)), None, None]))
            .collect();
        assert_eq!(news, [News::NoLeader { answering: 1, size: 3 }, News::Settled]);
    }

    #[test]
    fn another_server_on_a_members_port_is_not_the_member() {
        let mut view = view();
        let impostor = Answer { member: NodeId(7), term: 9, leader: Some(NodeId(7)) };
        assert_eq!(view.seen(&[Some(impostor), None, None]), []);
        assert_eq!(roles(&view), ["starting"; 3]);
    }
}
