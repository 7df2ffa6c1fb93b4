#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "broker/state.h"
#include "storage/fact.h"
#include "storage/log.h"

// What each fact does to the state. They decide nothing: no clock, no configuration is asked that
// the log did not set before. `record` is where the fact begins in the log.
//
// Records may be missing (a damaged range of the log is reported and passed over), so a fact about
// messages whose lease was never seen is applied as far as it makes sense. Corruption is returned
// for what no log of ours can hold: unknown queues and subscriptions, sequences given twice.
namespace sluice::broker {

base::Status apply_fact(State& state, const storage::IncarnationFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::QueueConfiguredFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::SubscriptionExpiredFact& fact,
                        base::Lsn record);
base::Status apply_fact(State& state, const storage::QueueDeletedFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::LeasedFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::SettledFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::ReleasedFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::FailedFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::StalledFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::DeadFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::RedrivenFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::RewoundFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::TransferFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::DroppedFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::RemovedFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::DamagedFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::SessionFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::TaskFact& fact, base::Lsn record);
base::Status apply_fact(State& state, const storage::ProducerFact& fact, base::Lsn record);

// A batch came in. `uniform`: all its bodies have the same size. Of a large message `entries` is an
// entry with its attributes and without a body.
base::Status apply_fact(State& state, const storage::MessagesFact& fact, base::ByteView entries,
                        bool uniform, base::Lsn record);

// Decodes and applies one record.
base::Status apply_record(State& state, const storage::RecordView& view);

}  // namespace sluice::broker
