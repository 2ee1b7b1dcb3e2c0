#include <memory>

#include "core/session.h"
#include "node/adapt.h"
#include "node/guards_object.h"
#include "node/modules.h"

namespace bygone::js {
namespace {

using SharedPages = std::shared_ptr<const PageBuffer>;

// An ArrayBuffer over the pages; they live as long as one of it and the session.
Napi::Value ArrayBufferOver(Napi::Env env, const SharedPages& pages) {
  auto* const keeper = new SharedPages(pages);
  return Napi::ArrayBuffer::New(
      env, pages->data(), pages->size(), [](Napi::Env, void*, SharedPages* kept) { delete kept; },
      keeper);
}

uint64_t NodeId(uint32_t high, uint32_t low) { return uint64_t{high} << 32 | low; }

Result ReplyRead(Session& session, std::span<double> words, uint32_t piece_count,
                 uint64_t plan_offset, uint64_t plan_bytes, bool reaches_end, int guard) {
  return session.ReplyRead(words, piece_count, plan_offset, plan_bytes, reaches_end, guard);
}
void Attach(Session& session, uint64_t handle, int fd, int guard, uint32_t uid, uint32_t gid) {
  session.Attach(handle, fd, guard, {uid, gid});
}
void ReplyAfterSync(Session& session, const std::vector<int>& fds, bool data_only) {
  session.ReplyAfterSync(fds, data_only);
}
void NotifyEntry(Session& session, uint32_t parent_high, uint32_t parent_low,
                 const ByteText& name) {
  session.NotifyEntry(NodeId(parent_high, parent_low), name.bytes);
}
void NotifyExpire(Session& session, uint32_t parent_high, uint32_t parent_low,
                  const ByteText& name) {
  session.NotifyExpire(NodeId(parent_high, parent_low), name.bytes);
}
void NotifyInode(Session& session, uint32_t node_high, uint32_t node_low, int64_t offset,
                 int64_t length) {
  session.NotifyInode(NodeId(node_high, node_low), offset, length);
}

void ExpireAttributes(Session& session, uint32_t node_high, uint32_t node_low) {
  session.ExpireAttributes(NodeId(node_high, node_low));
}

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  explicit SessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionObject>(info) {
    int fuse_fd;
    int wake_fd;
    uint32_t max_write_bytes;
    if (!TakeArgument(info, 0, fuse_fd) || !TakeArgument(info, 1, wake_fd) ||
        !TakeArgument(info, 3, max_write_bytes)) {
      return;
    }
    std::shared_ptr<Guards> guards = GuardsObject::Of(info[2]);
    if (guards == nullptr) {
      Napi::TypeError::New(info.Env(), "argument 3 must be a Guards").ThrowAsJavaScriptException();
      return;
    }
    session_ = std::make_unique<Session>(fuse_fd, wake_fd, std::move(guards), max_write_bytes);
    const auto self = info.This().As<Napi::Object>();
    self.DefineProperties({
        Napi::PropertyDescriptor::Value("request", ArrayBufferOver(info.Env(), session_->request()),
                                        napi_enumerable),
        Napi::PropertyDescriptor::Value("reply", ArrayBufferOver(info.Env(), session_->reply()),
                                        napi_enumerable),
    });
  }

  static Napi::Function Class(Napi::Env env) {
    using Self = SessionObject;
    return DefineClass(env, "Session",
                       {
                           InstanceMethod<&Self::Call<&Session::Exchange>>("exchange"),
                           InstanceMethod<&Self::Call<&Attach>>("attach"),
                           InstanceMethod<&Self::Call<&Session::Detach>>("detach"),
                           InstanceMethod<&Self::Call<&ReplyRead>>("replyRead"),
                           InstanceMethod<&Self::Call<&Session::ReplyWrite>>("replyWrite"),
                           InstanceMethod<&Self::Call<&ReplyAfterSync>>("replyAfterSync"),
                           InstanceMethod<&Self::Call<&Session::NotifyResend>>("notifyResend"),
                           InstanceMethod<&Self::Call<&NotifyEntry>>("notifyEntry"),
                           InstanceMethod<&Self::Call<&NotifyExpire>>("notifyExpire"),
                           InstanceMethod<&Self::Call<&NotifyInode>>("notifyInode"),
                           InstanceMethod<&Self::Call<&ExpireAttributes>>("expireAttributes"),
                           InstanceMethod<&Self::Call<&Session::Close>>("close"),
                           InstanceMethod<&SessionObject::Stats>("stats"),
                       });
  }

 private:
  Napi::Value Stats(const Napi::CallbackInfo& info) {
    const Session::Stats stats = session_->stats();
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("requests", ToJs(info.Env(), stats.requests));
    object.Set("readsServed", ToJs(info.Env(), stats.reads_served));
    object.Set("writesServed", ToJs(info.Env(), stats.writes_served));
    object.Set("repliesRefused", ToJs(info.Env(), stats.replies_refused));
    object.Set("handlesAttached", ToJs(info.Env(), stats.handles_attached));
    return object;
  }

  template <auto kMethod>
  Napi::Value Call(const Napi::CallbackInfo& info) {
    return Method<kMethod>(info, *session_);
  }

  std::unique_ptr<Session> session_;  // null only if the constructor threw
};

}  // namespace

void ExportSession(Napi::Object exports) {
  exports.Set("Session", SessionObject::Class(exports.Env()));
}

}  // namespace bygone::js
