//! A gate before a table: a statement that writes to it stops there, so that a process is certainly at work when it is
//! killed, and a test waits for that and not for a time.

use std::process::Child;

use tokio_postgres::{Client, NoTls};

use super::{Db, until};

/// Of the locks that statements wait for.
const CLASS: i32 = 7_001;

/// A gate; open until it is closed.
pub struct Gate {
    client: Client,
}

impl Gate {
    /// Makes one before the statements that insert into a table.
    pub async fn before(db: &Db, table: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let make = format!(
            "CREATE SEQUENCE gate;
             CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM pg_advisory_xact_lock_shared({CLASS}, nextval('gate')::int); RETURN NULL; END $$;
             CREATE TRIGGER gate BEFORE INSERT ON {table} EXECUTE FUNCTION gate()"
        );
        client.batch_execute(&make).await.unwrap();
        Self { client }
    }

    /// Closes it for the `nth` statement from now on, and for none before or after it.
    pub async fn close(&self, nth: i64) {
        let place =
            "SELECT pg_advisory_lock($1, (last_value + CASE WHEN is_called THEN 0 ELSE -1 END + $2)::int) FROM gate";
        self.client.execute(place, &[&CLASS, &nth]).await.unwrap();
    }

    /// Waits until a statement waits at the gate; returns the server process that runs it. `None` if the program ended.
    pub async fn reached(&self, program: Option<&mut Child>) -> Option<i32> {
        let waiting = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1::int::oid AND NOT granted";
        let (mut pid, mut program) = (None, program);
        until("a statement at the gate", async || {
            // First: a program may end between the two.
            let ended = program.as_mut().is_some_and(|program| program.try_wait().unwrap().is_some());
            pid = self.client.query_opt(waiting, &[&CLASS]).await.unwrap().map(|row| row.get(0));
            pid.is_some() || ended
        })
        .await;
        pid
    }

    /// Opens it, and waits for the end of the process of the server, whose program is dead: what had been sent may be
    /// committed.
    pub async fn open(&self, pid: i32) {
        self.release().await;
        self.gone(pid).await;
    }

    /// Ends the process of the server, which rolls back its transaction, and opens the gate.
    pub async fn cut(&self, pid: i32) {
        self.client.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
        self.gone(pid).await;
        self.release().await;
    }

    /// Ends all other processes of the server that work in the database, that one among them. The gate stays as it is.
    pub async fn cut_all(&self, pid: i32) {
        let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.client.execute(all, &[]).await.unwrap();
        self.gone(pid).await;
    }

    /// Opens it.
    pub async fn release(&self) {
        self.client.execute("SELECT pg_advisory_unlock_all()", &[]).await.unwrap();
    }

    async fn gone(&self, pid: i32) {
        let there = "SELECT FROM pg_stat_activity WHERE pid = $1";
        until("the end of a process", async || self.client.query_opt(there, &[&pid]).await.unwrap().is_none()).await;
    }
}
