//! What an administrator does in Kafka and rdkafka has no calls for: grants rights, sets SCRAM passwords.
//!
//! Goes to librdkafka itself. Rights are read from the commands that `deploy/kafka/acls.sh` prints, so that what is tested is what
//! users run.

use std::ffi::CString;
use std::ptr;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka_sys as native;
use rdkafka_sys::{rd_kafka_AclOperation_t as Operation, rd_kafka_ResourceType_t as Kind};

use crate::stack;

const ANSWER_MS: i32 = 20_000;

/// A right of one user to one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    operation: String,
    kind: &'static str,
    name: String,
    prefixed: bool,
}

impl Grant {
    /// The rights that a command `kafka-acls.sh … --add …` grants.
    ///
    /// # Errors
    /// An argument that is not understood.
    pub fn of_command(command: &str) -> Result<Vec<Self>> {
        let mut words = command.split_whitespace();
        ensure!(words.next() == Some("kafka-acls.sh"), "`{command}` is not kafka-acls.sh");
        let (mut operations, mut things, mut prefixed) = (Vec::new(), Vec::new(), false);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` has no value in `{command}`"));
            match word {
                "--add" => {}
                "--bootstrap-server" | "--command-config" | "--allow-principal" => _ = value()?,
                "--operation" => operations.push(value()?.to_owned()),
                "--topic" => things.push(("topic", value()?.to_owned())),
                "--group" => things.push(("group", value()?.to_owned())),
                "--transactional-id" => things.push(("transactional id", value()?.to_owned())),
                "--resource-pattern-type" => prefixed = value()? == "prefixed",
                other => bail!("`{other}` is not understood in `{command}`"),
            }
        }
        let of = |(kind, name): &(&'static str, String)| {
            let (kind, name) = (*kind, name.clone());
            let grants = operations.iter().map(move |operation| Self {
                operation: operation.clone(),
                kind,
                name: name.clone(),
                prefixed,
            });
            grants.collect::<Vec<_>>()
        };
        Ok(things.iter().flat_map(of).collect())
    }

    /// In the product's words, as in `Read on topic `payments``.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} on {} `{}", self.operation, self.kind, self.name)
    }
}

/// Grants rights to users.
///
/// # Errors
/// Kafka refuses or does not answer.
pub fn grant(brokers: &str, grants: &[(&str, &Grant)]) -> Result<()> {
    let client: AdminClient<DefaultClientContext> = stack::client(brokers).create()?;
    let mut bindings = Vec::new();
    for (user, grant) in grants {
        let [name, principal, host] = [&grant.name, &format!("User:{user}"), "*"].map(CString::new);
        let (name, principal, host) = (name?, principal?, host?);
        let kind = match grant.kind {
            "topic" => Kind::RD_KAFKA_RESOURCE_TOPIC,
            "group" => Kind::RD_KAFKA_RESOURCE_GROUP,
            _ => Kind::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID,
        };
        let pattern = if grant.prefixed {
            native::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_PREFIXED
        } else {
            native::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL
        };
        let operation = match grant.operation.as_str() {
            "Read" => Operation::RD_KAFKA_ACL_OPERATION_READ,
            "Write" => Operation::RD_KAFKA_ACL_OPERATION_WRITE,
            "DescribeConfigs" => Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
            other => bail!("no operation `{other}`"),
        };
        let allow = native::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW;
        // SAFETY: the texts outlive the call, which copies them; without a buffer no error text is written.
        bindings.push(unsafe {
            let (name, principal, host) = (name.as_ptr(), principal.as_ptr(), host.as_ptr());
            native::rd_kafka_AclBinding_new(kind, name, pattern, principal, host, operation, allow, ptr::null_mut(), 0)
        });
    }
    ensure!(bindings.iter().all(|binding| !binding.is_null()), "librdkafka makes no binding of {grants:?}");
    let handle = client.inner().native_ptr();
    // SAFETY: the client outlives the call; the bindings are destroyed after the answer was read, which belongs to the event.
    unsafe {
        let answer = ask(
            handle,
            |queue| {
                native::rd_kafka_CreateAcls(handle, bindings.as_mut_ptr(), bindings.len(), ptr::null(), queue);
            },
            |event| {
                let result = native::rd_kafka_event_CreateAcls_result(event);
                ensure!(!result.is_null(), "kafka does not take the rights");
                let mut count = 0;
                let answers = native::rd_kafka_CreateAcls_result_acls(result, &raw mut count);
                let failed = (0..count).any(|index| !native::rd_kafka_acl_result_error(*answers.add(index)).is_null());
                ensure!(!failed, "kafka refuses a right");
                Ok(())
            },
        );
        native::rd_kafka_AclBinding_destroy_array(bindings.as_mut_ptr(), bindings.len());
        answer
    }
}

/// Sets a user's SCRAM-SHA-512 password.
///
/// # Errors
/// Kafka refuses or does not answer.
pub fn set_scram_password(brokers: &str, user: &str, password: &str) -> Result<()> {
    let client: AdminClient<DefaultClientContext> = stack::client(brokers).create()?;
    let name = CString::new(user)?;
    let handle = client.inner().native_ptr();
    // SAFETY: the texts outlive the call, which copies them; librdkafka makes the salt; the alteration is destroyed after the answer.
    unsafe {
        let mechanism = native::rd_kafka_ScramMechanism_t::RD_KAFKA_SCRAM_MECHANISM_SHA_512;
        let (text, size) = (password.as_ptr(), password.len());
        let mut alteration = native::rd_kafka_UserScramCredentialUpsertion_new(
            name.as_ptr(),
            mechanism,
            4096,
            text,
            size,
            ptr::null(),
            0,
        );
        let answer = ask(
            handle,
            |queue| {
                native::rd_kafka_AlterUserScramCredentials(handle, &raw mut alteration, 1, ptr::null(), queue);
            },
            |event| {
                let result = native::rd_kafka_event_AlterUserScramCredentials_result(event);
                ensure!(!result.is_null(), "kafka does not take the password");
                let mut count = 0;
                let answers = native::rd_kafka_AlterUserScramCredentials_result_responses(result, &raw mut count);
                let failed = (0..count).any(|index| {
                    let error = native::rd_kafka_AlterUserScramCredentials_result_response_error(*answers.add(index));
                    native::rd_kafka_error_code(error) != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
                });
                ensure!(!failed, "kafka refuses the password");
                Ok(())
            },
        );
        native::rd_kafka_UserScramCredentialAlteration_destroy(alteration);
        answer
    }
}

/// Sends a request whose answer comes through a queue, and reads it.
///
/// # Safety
/// `send` sends one request for this client; `read` keeps nothing of the event.
unsafe fn ask(
    client: *mut native::rd_kafka_t,
    send: impl FnOnce(*mut native::rd_kafka_queue_t),
    read: impl FnOnce(*mut native::rd_kafka_event_t) -> Result<()>,
) -> Result<()> {
    // SAFETY: queue and event are destroyed exactly once, after the last read of what they own.
    unsafe {
        let queue = native::rd_kafka_queue_new(client);
        send(queue);
        let event = native::rd_kafka_queue_poll(queue, ANSWER_MS);
        let answer = if event.is_null() { Err(anyhow::anyhow!("kafka does not answer")) } else { read(event) };
        if !event.is_null() {
            native::rd_kafka_event_destroy(event);
        }
        native::rd_kafka_queue_destroy(queue);
        answer
    }
}
