//! The functions' environment as a file, for functions that run outside of this process.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    environment::Environments,
    template::{Setting, Template, TemplateError},
};

/// Where Lambda has its root certificates. The emulation image has them there too, this machine has not.
const ROOTS: &str = "SSL_CERT_FILE";

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// It cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The template cannot be read.
    #[error("the template: {0}")]
    Template(#[from] TemplateError),
    /// One file for all functions cannot say it.
    #[error("{name} is not the same for all functions: take a .json file")]
    Differs {
        /// The variable.
        name: String,
    },
}

/// Writes the file: as `sam local --env-vars` reads it if its name ends with `.json`, otherwise as `cargo lambda watch
/// --env-file` and shells do.
///
/// # Errors
/// [`EnvFileError`].
pub(crate) fn write(path: &Path, template: &Template, environments: &Environments) -> Result<(), EnvFileError> {
    let text = if path.extension().is_some_and(|extension| extension == "json") {
        for_sam(template, environments)
    } else {
        for_shells(environments)?
    };
    put(path, &text).map_err(|source| EnvFileError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Whole or not at all: whoever waits for the file may take it as soon as it is there.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

/// By the functions' logical ids. What the template does not name SAM does not pass on, so it is not there.
fn for_sam(template: &Template, environments: &Environments) -> String {
    let functions: BTreeMap<_, _> = template
        .functions
        .iter()
        .filter_map(|(id, function)| {
            let folder = function.code.as_deref()?.strip_prefix("functions/")?;
            let mut environment: BTreeMap<_, _> = environments
                .get(folder)?
                .iter()
                .filter(|(name, _)| function.environment.contains_key(*name))
                .map(|(name, value)| (name.as_str(), value))
                .collect();
            // Said, although the template says it: the shell that SAM is started in may have one of its own.
            if let Some(Setting::Literal(path)) = function.environment.get(ROOTS) {
                environment.insert(ROOTS, path);
            }
            Some((id, environment))
        })
        .collect();
    format!("{:#}\n", json!(functions))
}

/// `NAME=value`, one for all functions.
fn for_shells(environments: &Environments) -> Result<String, EnvFileError> {
    let mut all = BTreeMap::new();
    for (name, value) in environments.values().flatten() {
        if all.insert(name, value).is_some_and(|other| other != value) {
            return Err(EnvFileError::Differs { name: name.clone() });
        }
    }
    let lines = all.into_iter().filter(|(name, _)| *name != ROOTS);
    let lines: Vec<_> = lines.map(|(name, value)| format!("{name}={value}")).collect();
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        Template::parse(
            r#"
Resources:
  LookupFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/lookup, Environment: {Variables: {AWS_ENDPOINT_URL: "", NAME: a, SSL_CERT_FILE: /roots}}}
  NotifyFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/notify, Environment: {Variables: {NAME: a}}}
"#,
        )
        .unwrap()
    }

    fn environments(names: [&str; 2]) -> Environments {
        let of = |name: &str, more: &[(&str, &str)]| {
            let all = more.iter().chain(&[("AWS_REGION", "eu-north-1")]);
            let mut all: BTreeMap<_, _> = all
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            all.insert("NAME".to_owned(), name.to_owned());
            all
        };
        let endpoint = ("AWS_ENDPOINT_URL", "http://127.0.0.1:4000");
        Environments::from([
            ("lookup".to_owned(), of(names[0], &[endpoint, (ROOTS, "/machine")])),
            ("notify".to_owned(), of(names[1], &[])),
        ])
    }

    #[test]
    fn sam_gets_what_it_passes_on_by_logical_id() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/env.json");
        write(&path, &template(), &environments(["x", "y"])).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let expected = json!({
            "LookupFunction": {"AWS_ENDPOINT_URL": "http://127.0.0.1:4000", "NAME": "x", "SSL_CERT_FILE": "/roots"},
            "NotifyFunction": {"NAME": "y"},
        });
        assert_eq!(written, expected);
    }

    #[test]
    fn a_shell_gets_one_environment_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        write(&path, &template(), &environments(["x", "x"])).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "AWS_ENDPOINT_URL=http://127.0.0.1:4000\nAWS_REGION=eu-north-1\nNAME=x\n"
        );
        let refused = write(&path, &template(), &environments(["x", "y"])).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "NAME is not the same for all functions: take a .json file"
        );
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), &template(), &environments(["x", "x"])).unwrap_err();
        assert!(
            error.to_string().starts_with(&folder.path().display().to_string()),
            "{error}"
        );
    }
}
