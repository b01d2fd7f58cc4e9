//! The methods of the protocol, once: each with who says it and what the gate is asked about it.
//!
//! Names come from the official SDK's own constants, so one that it renames breaks the build here;
//! whoever routes matches over this enum without a wildcard, so one that is added breaks it there.
//! What stands in no table is a method all the same (extensions, later revisions): it is judged
//! like every act and passed on untouched. Refused here: routing.

use rmcp::model::{self as sdk, ConstString as _};

/// Who says a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The client, to its server.
    Client,
    /// The server, to its client.
    Server,
    /// Either.
    Both,
}

/// What the gate is asked before a method has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Whether this agent may still act here at all: nothing is done, nothing recorded.
    Standing,
    /// For a permit, recorded, with name and arguments.
    Permit,
}

macro_rules! methods {
    ($($(#[doc = $doc:literal])* $name:ident = $text:expr, $from:ident, $asked:ident;)*) => {
        /// A method that has a meaning here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Method {
            $($(#[doc = $doc])* $name,)*
        }

        impl Method {
            /// Every method.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name on the wire.
            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Who says it.
            pub(crate) const fn from(self) -> From {
                match self { $(Self::$name => From::$from),* }
            }

            /// What the gate is asked about it.
            pub(crate) const fn asked(self) -> Asked {
                match self { $(Self::$name => Asked::$asked),* }
            }
        }
    };
}

methods! {
    /// The handshake before 2026-07-28.
    Initialize = sdk::InitializeResultMethod::VALUE, Client, Standing;
    /// The end of that handshake.
    Initialized = sdk::InitializedNotificationMethod::VALUE, Client, Standing;
    /// What a server is, from 2026-07-28 on.
    Discover = sdk::DiscoverRequestMethod::VALUE, Client, Standing;
    /// Are you there?
    Ping = sdk::PingRequestMethod::VALUE, Both, Standing;
    /// The tools.
    ListTools = sdk::ListToolsRequestMethod::VALUE, Client, Standing;
    /// Call one.
    CallTool = sdk::CallToolRequestMethod::VALUE, Client, Permit;
    /// The prompts.
    ListPrompts = sdk::ListPromptsRequestMethod::VALUE, Client, Standing;
    /// One of them.
    GetPrompt = sdk::GetPromptRequestMethod::VALUE, Client, Permit;
    /// The resources.
    ListResources = sdk::ListResourcesRequestMethod::VALUE, Client, Standing;
    /// How further resources are named.
    ListTemplates = sdk::ListResourceTemplatesRequestMethod::VALUE, Client, Standing;
    /// Read one.
    ReadResource = sdk::ReadResourceRequestMethod::VALUE, Client, Permit;
    /// Be told when one changes, before 2026-07-28.
    Subscribe = sdk::SubscribeRequestMethod::VALUE, Client, Permit;
    /// No longer.
    Unsubscribe = sdk::UnsubscribeRequestMethod::VALUE, Client, Standing;
    /// Be told what changes, from 2026-07-28 on.
    Listen = sdk::SubscriptionsListenRequestMethod::VALUE, Client, Standing;
    /// Completions of an argument.
    Complete = sdk::CompleteRequestMethod::VALUE, Client, Permit;
    /// How much a server logs to its client.
    SetLevel = sdk::SetLevelRequestMethod::VALUE, Client, Standing;
    /// How a task stands.
    GetTask = sdk::GetTaskMethod::VALUE, Client, Permit;
    /// What a task waits for.
    UpdateTask = sdk::UpdateTaskMethod::VALUE, Client, Permit;
    /// End a task.
    CancelTask = sdk::CancelTaskMethod::VALUE, Client, Standing;
    /// The result of a task, in 2025-11-25.
    TaskResult = "tasks/result", Client, Permit;
    /// The tasks, in 2025-11-25.
    ListTasks = "tasks/list", Client, Permit;
    /// Ask the client's model.
    Sample = sdk::CreateMessageRequestMethod::VALUE, Server, Permit;
    /// Ask the client's user.
    Elicit = sdk::ElicitationCreateRequestMethod::VALUE, Server, Permit;
    /// Which folders the client opens.
    ListRoots = sdk::ListRootsRequestMethod::VALUE, Server, Permit;
    /// Those have changed.
    RootsChanged = sdk::RootsListChangedNotificationMethod::VALUE, Client, Standing;
    /// An earlier request is not wanted any more.
    Cancelled = sdk::CancelledNotificationMethod::VALUE, Both, Standing;
    /// How far a request has come.
    Progress = sdk::ProgressNotificationMethod::VALUE, Both, Standing;
    /// What a server logs.
    Logged = sdk::LoggingMessageNotificationMethod::VALUE, Server, Standing;
    /// Other tools.
    ToolsChanged = sdk::ToolListChangedNotificationMethod::VALUE, Server, Standing;
    /// Other prompts.
    PromptsChanged = sdk::PromptListChangedNotificationMethod::VALUE, Server, Standing;
    /// Other resources.
    ResourcesChanged = sdk::ResourceListChangedNotificationMethod::VALUE, Server, Standing;
    /// A resource reads otherwise.
    ResourceUpdated = sdk::ResourceUpdatedNotificationMethod::VALUE, Server, Standing;
}

/// Methods that name something, and the parameter in which they do.
const NAMING: [(&[Method], &str); 3] = [
    (&[Method::CallTool, Method::GetPrompt], "name"),
    (&[Method::ReadResource, Method::Subscribe, Method::Unsubscribe], "uri"),
    (&[Method::GetTask, Method::UpdateTask, Method::CancelTask], "taskId"),
];

impl From {
    /// In a word.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "either",
        }
    }
}

impl Asked {
    /// In a word.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Standing => "standing",
            Self::Permit => "permit",
        }
    }
}

impl Method {
    /// The method of that name.
    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.text() == text)
    }

    /// The parameter in which it names what it is about, where it does (MCP 2026-07-28, Streamable
    /// HTTP, "Request Headers").
    pub(crate) fn names(self) -> Option<&'static str> {
        NAMING.iter().find(|(methods, _)| methods.contains(&self)).map(|(_, member)| *member)
    }

    /// True where the client says it.
    pub(crate) fn is_clients(self) -> bool {
        matches!(self.from(), From::Client | From::Both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a name means one method.
    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<&str> =
            Method::ALL.iter().map(|method| method.text()).collect();
        assert_eq!(names.len(), Method::ALL.len());
        assert!(Method::ALL.iter().all(|method| Method::named(method.text()) == Some(*method)));
        assert_eq!(Method::named("tools/CALL"), None);
    }
}
