//! Plans and operations: agreeing to changes and following them.

use clap::{Args as ClapArgs, Subcommand};

/// How a change that is a plan is agreed to.
#[derive(Debug, ClapArgs)]
pub(crate) struct Consent {
    /// Why, for the audit.
    #[arg(long)]
    pub(crate) reason: Option<String>,
    /// Agree at once, without asking; a plan that cannot be undone needs --name instead.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The target's name, which agrees to a plan that cannot be undone.
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// List plans.
    List,
    /// Show one plan.
    Get {
        /// Id of the plan, plan-….
        plan: String,
    },
    /// Agree to a plan; shows it and asks first.
    Approve {
        /// Id of the plan, plan-….
        plan: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// The target's name, which agrees to a plan that cannot be undone.
        #[arg(long)]
        name: Option<String>,
    },
    /// Say no to a plan.
    Deny {
        /// Id of the plan, plan-….
        plan: String,
        /// Why, for the audit.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Carry an approved plan out and wait.
    Apply {
        /// Id of the plan, plan-….
        plan: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperationCommand {
    /// List operations.
    List,
    /// Show one operation with its log.
    Get {
        /// Id of the operation, op-….
        operation: String,
    },
    /// Stop an operation; what it did is undone.
    Cancel {
        /// Id of the operation, op-….
        operation: String,
    },
}
