#include "operator/app/secret_store.h"

#include <memory>
#include <utility>

#include "operator/app/cluster_view.h"
#include "operator/reconcile/names.h"

namespace sluice::op {
namespace {

std::vector<kube::ObjectPtr> values_of(const std::map<std::string, kube::ObjectPtr>& secrets) {
  std::vector<kube::ObjectPtr> out;
  out.reserve(secrets.size());
  for (const auto& [name, secret] : secrets) out.push_back(secret);
  return out;
}

}  // namespace

base::Result<std::vector<kube::ObjectPtr>> SecretStore::of_broker(const std::string& key,
                                                                  base::MonoTime now) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = brokers_.find(key);
    if (found != brokers_.end() && now < found->second.read_at + kReadAgain) {
      return values_of(found->second.secrets);
    }
  }
  const BrokerName name = split_key(key);
  Broker broker;
  broker.read_at = now;
  for (const std::string& secret :
       {reconcile::broker_secret_name(name.broker), reconcile::access_secret_name(name.broker),
        reconcile::admin_secret_name(name.broker), reconcile::operator_secret_name(name.broker)}) {
    base::Result<kube::Json> read = api_.get({&kube::kSecrets, name.name_space, secret});
    if (read.has_value()) {
      broker.secrets.emplace(secret, std::make_shared<const kube::Json>(*std::move(read)));
    } else if (read.error().code() != base::ErrorCode::kNotFound) {
      return read.error();
    }
  }
  std::vector<kube::ObjectPtr> out = values_of(broker.secrets);
  const std::lock_guard lock(mutex_);
  brokers_[key] = std::move(broker);
  return out;
}

void SecretStore::written(const std::string& key, const kube::Json& secret) {
  const std::lock_guard lock(mutex_);
  const auto found = brokers_.find(key);
  if (found == brokers_.end()) return;
  found->second.secrets[kube::name_of(secret)] = std::make_shared<const kube::Json>(secret);
}

void SecretStore::removed(const std::string& key, const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto found = brokers_.find(key);
  if (found != brokers_.end()) found->second.secrets.erase(name);
}

void SecretStore::forget(const std::string& key) {
  const std::lock_guard lock(mutex_);
  brokers_.erase(key);
}

std::size_t SecretStore::size() const {
  const std::lock_guard lock(mutex_);
  return brokers_.size();
}

}  // namespace sluice::op
