#include "tests/sim/broker/bugs.h"

namespace sluice::sim {

const std::vector<Bug>& bugs() {
  static const std::vector<Bug> all = {
      {"ack_before_sync", "segments are not synced before anybody is answered"},
      {"skip_dir_sync", "folders are not synced"},
      {"forget_timer", "what is due waits until something else happens"},
      {"effects_before_commit", "nobody waits for the log"},
      {"tail_not_resynced", "recovery trusts what the page cache shows"},
      {"truncate_mid_corruption",
       "recovery cuts the log at damage instead of keeping what follows"},
      {"epoch_reused_after_restart", "receipts of two lives look the same"},
      {"stale_receipt_accepted", "a settle counts although somebody else has the message"},
      {"lease_forgotten_after_restart", "a restart gives away what is leased"},
      {"dedup_forgotten_after_restart", "a batch that is sent again is stored again"},
      {"counter_reset_on_crash", "a restart forgets the attempts of a message"},
      {"refused_batch_called_duplicate", "a batch that was refused is said to be there"},
      {"ack_not_recorded", "an ack is confirmed and not written down"},
      {"dead_letter_forgotten_after_restart", "a restart brings the dead back"},
      {"delay_forgotten_after_restart", "a restart forgets deliver-at"},
      {"command_replayed_instead_of_fact", "replay numbers messages anew"},
      {"one_attempt_too_many", "the limit of attempts is off by one"},
      {"compaction_loses_messages", "compaction leaves out what lives"},
      {"settled_message_resurrected_by_compaction",
       "compaction takes segments whose facts a start needs"},
      {"role_not_checked", "any key opens everything"},
      {"queue_of_key_not_checked", "a key's role counts for all queues"},
      {"session_outlives_its_rights", "who may no longer do what he did goes on with it"},
      {"old_leader_heard", "a leader that was replaced changes queues"},
      {"settings_not_synced", "CONFIGURED does not wait for a sync"},
      {"removal_not_synced", "QUEUE_REMOVED does not wait for a sync"},
      {"full_queue_removed_as_empty", "a queue with messages goes where only an empty one may"},
      {"reuse_sequence", "sequences do not jump after an unclean stop"},
  };
  return all;
}

}  // namespace sluice::sim
