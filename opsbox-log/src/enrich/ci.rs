//! What CI systems say of a run, by the names of the OpenTelemetry semantic conventions (registries `cicd` and `vcs`).

use super::{environment::Environment, url};

/// The CI system that a process runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CiSystem {
    /// GitHub Actions, and Gitea's and Forgejo's, which set the same variables.
    GitHubActions,
    /// GitLab CI/CD.
    GitLab,
    /// Jenkins.
    Jenkins,
    /// CircleCI.
    CircleCi,
    /// Azure Pipelines.
    AzurePipelines,
    /// Buildkite.
    Buildkite,
}

impl CiSystem {
    /// The system whose variables the environment has.
    ///
    /// ```
    /// use opsbox_log::enrich::{CiSystem, Environment};
    ///
    /// let environment = Environment::from_iter([("GITLAB_CI", "true")]);
    /// assert_eq!(CiSystem::detect(&environment), Some(CiSystem::GitLab));
    /// assert_eq!(CiSystem::detect(&Environment::default()), None);
    /// ```
    pub fn detect(environment: &Environment) -> Option<Self> {
        // Jenkins last: its variable is the address of a server, which others may know, too.
        let systems = [
            (Self::GitHubActions, environment.is_true("GITHUB_ACTIONS")),
            (Self::GitLab, environment.is_true("GITLAB_CI")),
            (Self::CircleCi, environment.is_true("CIRCLECI")),
            (Self::AzurePipelines, environment.is_true("TF_BUILD")),
            (Self::Buildkite, environment.is_true("BUILDKITE")),
            (Self::Jenkins, environment.get("JENKINS_URL").is_some()),
        ];
        let found = systems.into_iter().find(|(_, is)| *is);
        found.map(|(system, _)| system)
    }

    /// The fields of the run that this environment is of: those of [`FIELDS`] whose variables are set. URLs come
    /// without user and password, that of the repository without a query, too.
    ///
    /// ```
    /// use opsbox_log::enrich::{CiSystem, Environment};
    ///
    /// let environment = Environment::from_iter([
    ///     ("CI_PIPELINE_ID", "120912"),
    ///     ("CI_COMMIT_REF_NAME", "main"),
    ///     ("CI_PROJECT_URL", "https://ci:token@gitlab.example.com/team/shop"),
    /// ]);
    /// let fields: Vec<_> = CiSystem::GitLab.fields(&environment).collect();
    /// assert!(fields.contains(&("cicd.pipeline.run.id", "120912".to_owned())));
    /// assert!(fields.contains(&("vcs.repository.url.full", "https://gitlab.example.com/team/shop".to_owned())));
    /// ```
    pub fn fields(self, environment: &Environment) -> impl Iterator<Item = (&'static str, String)> {
        let run = match self {
            Self::GitHubActions => github(environment),
            Self::GitLab => gitlab(environment),
            Self::Jenkins => jenkins(environment),
            Self::CircleCi => circleci(environment),
            Self::AzurePipelines => azure(environment),
            Self::Buildkite => buildkite(environment),
        };
        let values = [
            run.pipeline,
            run.run_id,
            run.run_url.map(|url| url::without_credentials(&url)),
            run.task,
            run.task_run_id,
            run.task_run_url.map(|url| url::without_credentials(&url)),
            run.worker,
            run.worker_id,
            run.head,
            run.head_type,
            run.revision,
            run.base,
            run.repository.map(|url| url::repository(&url)),
            run.repository_name,
            run.owner,
            run.provider,
            run.change,
        ];
        let fields = FIELDS.into_iter().zip(values);
        fields.filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
    }
}

/// The fields that CI systems fill.
pub const FIELDS: [&str; 17] = [
    "cicd.pipeline.name",
    "cicd.pipeline.run.id",
    "cicd.pipeline.run.url.full",
    "cicd.pipeline.task.name",
    "cicd.pipeline.task.run.id",
    "cicd.pipeline.task.run.url.full",
    "cicd.worker.name",
    "cicd.worker.id",
    "vcs.ref.head.name",
    "vcs.ref.head.type",
    "vcs.ref.head.revision",
    "vcs.ref.base.name",
    "vcs.repository.url.full",
    "vcs.repository.name",
    "vcs.owner.name",
    "vcs.provider.name",
    "vcs.change.id",
];

#[derive(Debug, Default)]
struct Run {
    pipeline: Option<String>,
    run_id: Option<String>,
    run_url: Option<String>,
    task: Option<String>,
    task_run_id: Option<String>,
    task_run_url: Option<String>,
    worker: Option<String>,
    worker_id: Option<String>,
    head: Option<String>,
    head_type: Option<String>,
    revision: Option<String>,
    base: Option<String>,
    repository: Option<String>,
    repository_name: Option<String>,
    owner: Option<String>,
    provider: Option<String>,
    change: Option<String>,
}

impl Run {
    /// Sets the reference from the names of a tag and a branch, of which a tag goes first.
    fn with_head(self, tag: Option<&str>, branch: Option<&str>) -> Self {
        let (head, kind) = match (tag, branch) {
            (Some(tag), _) => (tag, "tag"),
            (None, Some(branch)) => (branch, "branch"),
            (None, None) => return self,
        };
        Self {
            head: Some(head.to_owned()),
            head_type: Some(kind.to_owned()),
            ..self
        }
    }
}

fn owned(value: Option<&str>) -> Option<String> {
    value.map(str::to_owned)
}

/// docs.github.com, "Variables reference", default environment variables.
fn github(environment: &Environment) -> Run {
    let get = |name: &str| environment.get(name);
    let server = get("GITHUB_SERVER_URL").map(|url| url.trim_end_matches('/'));
    let repository = server.zip(get("GITHUB_REPOSITORY"));
    let repository = repository.map(|(server, name)| format!("{server}/{name}"));
    let run = get("GITHUB_RUN_ID");
    let is_tag = get("GITHUB_REF_TYPE") == Some("tag");
    // Of a pull request the reference is `N/merge`, and the branch is elsewhere.
    let name = get("GITHUB_REF_NAME");
    let branch = get("GITHUB_HEAD_REF").or_else(|| name.filter(|_| !is_tag));
    let change = get("GITHUB_REF").and_then(|it| it.strip_prefix("refs/pull/"));
    let name_of = |path: &str| path.rsplit('/').next().map(str::to_owned);
    Run {
        pipeline: owned(get("GITHUB_WORKFLOW")),
        run_id: owned(run),
        run_url: repository
            .as_ref()
            .zip(run)
            .map(|(url, run)| format!("{url}/actions/runs/{run}")),
        task: owned(get("GITHUB_JOB")),
        worker: owned(get("RUNNER_NAME")),
        revision: owned(get("GITHUB_SHA")),
        base: owned(get("GITHUB_BASE_REF")),
        repository,
        repository_name: get("GITHUB_REPOSITORY").and_then(name_of),
        owner: owned(get("GITHUB_REPOSITORY_OWNER")),
        provider: server
            .filter(|url| url.contains("github"))
            .map(|_| "github".to_owned()),
        change: change
            .and_then(|it| it.split('/').next())
            .map(str::to_owned),
        ..Run::default()
    }
    .with_head(name.filter(|_| is_tag), branch)
}

/// docs.gitlab.com, "Predefined CI/CD variables reference". `CI_REPOSITORY_URL` has a token, and is not used.
fn gitlab(environment: &Environment) -> Run {
    let get = |name: &str| environment.get(name);
    let branches = [
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
        "CI_COMMIT_BRANCH",
        "CI_COMMIT_REF_NAME",
    ];
    Run {
        pipeline: owned(get("CI_PIPELINE_NAME")),
        run_id: owned(get("CI_PIPELINE_ID")),
        run_url: owned(get("CI_PIPELINE_URL")),
        task: owned(get("CI_JOB_NAME")),
        task_run_id: owned(get("CI_JOB_ID")),
        task_run_url: owned(get("CI_JOB_URL")),
        worker: owned(get("CI_RUNNER_DESCRIPTION")),
        worker_id: owned(get("CI_RUNNER_ID")),
        revision: owned(get("CI_COMMIT_SHA")),
        base: owned(get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")),
        repository: owned(get("CI_PROJECT_URL")),
        repository_name: owned(get("CI_PROJECT_NAME")),
        owner: owned(get("CI_PROJECT_NAMESPACE")),
        provider: Some("gitlab".to_owned()),
        change: owned(get("CI_MERGE_REQUEST_IID")),
        ..Run::default()
    }
    .with_head(get("CI_COMMIT_TAG"), environment.first_of(&branches))
}

/// The variables of Jenkins itself (`/env-vars.html` of a controller), of its Git plugin, and of multibranch projects.
fn jenkins(environment: &Environment) -> Run {
    let get = |name: &str| environment.get(name);
    let branch = environment.first_of(&["CHANGE_BRANCH", "BRANCH_NAME", "GIT_LOCAL_BRANCH"]);
    let remote = get("GIT_BRANCH").map(|it| it.strip_prefix("origin/").unwrap_or(it));
    Run {
        pipeline: owned(get("JOB_NAME")),
        run_id: owned(get("BUILD_NUMBER").or_else(|| get("BUILD_ID"))),
        run_url: owned(get("BUILD_URL")),
        task: owned(get("STAGE_NAME")),
        worker: owned(get("NODE_NAME")),
        revision: owned(get("GIT_COMMIT")),
        base: owned(get("CHANGE_TARGET")),
        repository: owned(get("GIT_URL").or_else(|| get("GIT_URL_1"))),
        change: owned(get("CHANGE_ID")),
        ..Run::default()
    }
    .with_head(get("TAG_NAME"), branch.or(remote))
}

/// circleci.com/docs, "Project values and variables", built-in environment variables.
fn circleci(environment: &Environment) -> Run {
    let get = |name: &str| environment.get(name);
    let number = get("CIRCLE_PULL_REQUEST").and_then(|url| url.rsplit('/').next());
    Run {
        run_id: owned(get("CIRCLE_PIPELINE_ID").or_else(|| get("CIRCLE_WORKFLOW_ID"))),
        task: owned(get("CIRCLE_JOB")),
        task_run_id: owned(get("CIRCLE_WORKFLOW_JOB_ID").or_else(|| get("CIRCLE_BUILD_NUM"))),
        task_run_url: owned(get("CIRCLE_BUILD_URL")),
        revision: owned(get("CIRCLE_SHA1")),
        repository: owned(get("CIRCLE_REPOSITORY_URL")),
        repository_name: owned(get("CIRCLE_PROJECT_REPONAME")),
        owner: owned(get("CIRCLE_PROJECT_USERNAME")),
        change: owned(get("CIRCLE_PR_NUMBER").or(number)),
        ..Run::default()
    }
    .with_head(get("CIRCLE_TAG"), get("CIRCLE_BRANCH"))
}

/// learn.microsoft.com, "Use predefined variables", as the agent hands them to scripts.
fn azure(environment: &Environment) -> Run {
    let get = |name: &str| environment.get(name);
    let collection = get("SYSTEM_COLLECTIONURI").map(|url| url.trim_end_matches('/'));
    let project = get("SYSTEM_TEAMPROJECT").map(url::path_part);
    let build = get("BUILD_BUILDID");
    let url = collection.zip(project).zip(build);
    let url = url.map(|((collection, project), build)| {
        format!("{collection}/{project}/_build/results?buildId={build}")
    });
    let branch = |name: &'static str| {
        let it = environment.get(name)?;
        Some(it.strip_prefix("refs/heads/").unwrap_or(it))
    };
    let tag = get("BUILD_SOURCEBRANCH").and_then(|it| it.strip_prefix("refs/tags/"));
    let change = [
        "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER",
        "SYSTEM_PULLREQUEST_PULLREQUESTID",
    ];
    let provider = get("BUILD_REPOSITORY_PROVIDER");
    Run {
        pipeline: owned(get("BUILD_DEFINITIONNAME")),
        run_id: owned(build),
        run_url: url,
        task: owned(environment.first_of(&["SYSTEM_JOBDISPLAYNAME", "AGENT_JOBNAME"])),
        task_run_id: owned(get("SYSTEM_JOBID")),
        worker: owned(get("AGENT_NAME")),
        worker_id: owned(get("AGENT_ID")),
        revision: owned(get("BUILD_SOURCEVERSION")),
        base: owned(branch("SYSTEM_PULLREQUEST_TARGETBRANCH")),
        repository: owned(get("BUILD_REPOSITORY_URI")),
        repository_name: owned(get("BUILD_REPOSITORY_NAME")),
        provider: provider
            .filter(|it| it.starts_with("GitHub"))
            .map(|_| "github".to_owned()),
        change: owned(environment.first_of(&change)),
        ..Run::default()
    }
    .with_head(
        tag,
        branch("SYSTEM_PULLREQUEST_SOURCEBRANCH").or_else(|| branch("BUILD_SOURCEBRANCH")),
    )
}

/// buildkite.com/docs, "Environment variables".
fn buildkite(environment: &Environment) -> Run {
    let get = |name: &str| environment.get(name);
    let pipelines = ["BUILDKITE_PIPELINE_NAME", "BUILDKITE_PIPELINE_SLUG"];
    let job = get("BUILDKITE_JOB_ID");
    let job_url = get("BUILDKITE_BUILD_URL").zip(job);
    Run {
        pipeline: owned(environment.first_of(&pipelines)),
        run_id: owned(get("BUILDKITE_BUILD_ID")),
        run_url: owned(get("BUILDKITE_BUILD_URL")),
        task: owned(environment.first_of(&["BUILDKITE_LABEL", "BUILDKITE_STEP_KEY"])),
        task_run_id: owned(job),
        task_run_url: job_url.map(|(url, job)| format!("{url}#{job}")),
        worker: owned(get("BUILDKITE_AGENT_NAME")),
        worker_id: owned(get("BUILDKITE_AGENT_ID")),
        // Until the checkout it is the word.
        revision: owned(get("BUILDKITE_COMMIT").filter(|it| *it != "HEAD")),
        base: owned(get("BUILDKITE_PULL_REQUEST_BASE_BRANCH")),
        repository: owned(get("BUILDKITE_REPO")),
        provider: get("BUILDKITE_PIPELINE_PROVIDER")
            .filter(|it| matches!(*it, "github" | "gitlab" | "bitbucket"))
            .map(str::to_owned),
        change: owned(get("BUILDKITE_PULL_REQUEST").filter(|it| *it != "false")),
        ..Run::default()
    }
    .with_head(get("BUILDKITE_TAG"), get("BUILDKITE_BRANCH"))
}
